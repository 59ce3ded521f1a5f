// Sluice is the gateway's command: flags, signals and exit codes. Everything else is in package gateway.
//
// # Exit codes
//
//	0   success, or stopped as asked
//	1   the command failed: the configuration is wrong, an address is taken, nothing to stop
//	4   stopped, but a drain reached its time limit and cut what was still running
//	64  the command line itself is wrong
//
// 1 and 4 mean what they mean in MOSN; 2 is kept free for its hot upgrade.
package main
