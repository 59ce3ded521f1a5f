package loop

// EveryAddr is for tests.
var EveryAddr = everyAddr
