// Package upstream knows where requests can go: clusters, their endpoints, the connection pools of each loop, and the
// discovery of endpoints by name.
package upstream
