package metrics

// Inspection is what has become of a connection whose first bytes decide which filter chain serves it.
type Inspection uint8

// The outcomes. With the first three, a chain has the connection; with the others it was closed.
const (
	InspectionMatched    Inspection = iota // TLS, by a chain that is for it
	InspectionDefault                      // TLS, by the chain that takes all others
	InspectionPlain                        // no TLS
	InspectionNoChain                      // no chain is for it
	InspectionTimeout                      // what it sent in time was not enough
	InspectionIncomplete                   // it ended before it had sent enough
	InspectionTooLarge                     // its ClientHello is too large
	InspectionOverload                     // too much was waited for, and it had waited longest
	numInspections
)

func (i Inspection) String() string {
	return [numInspections]string{"matched", "default", "plain", "no_chain", "timeout", "incomplete", "too_large", "overload"}[i]
}

// Inspections is a counter for each outcome.
type Inspections [numInspections]Counter

func inspections(f *CounterFamily, labels ...string) (c Inspections) {
	for i := range c {
		c[i] = f.With(append(labels[:len(labels):len(labels)], Inspection(i).String())...)
	}
	return c
}
