// Package admin serves the admin API: MOSN's paths under /api/v1, metrics, profiles, and what a probe asks.
//
// # Usage
//
// [New] makes a [Server] from what it needs to know of the gateway ([Options]); [Server.Serve] serves a listener that
// [Listen] opened. [NewMetrics] and [NewPprof] make servers for one purpose on a port of their own.
//
// It is net/http, HTTP/1 only, and runs beside the loops: what it asks of them goes through the interfaces below.
//
// # Trust
//
// It asks nobody who they are: whoever reaches it may use it. So it listens on loopback unless it is told otherwise, and
// there it answers only to names that mean loopback, so that a web page can't reach it through a name of its own. What
// changes something takes a POST, and none that a browser sent from another site.
//
// # Limits
//
// Connections, head and body sizes, and the time of each phase are bounded; see the constants of server.go.
package admin
