// Package certificates keeps the certificates that a listener shows or a cluster presents: pairs of a chain and a key from
// files, checked when they are read, chosen by the name that a client asks for, and replaced without a restart when the
// files change.
//
// A Store reads its files again when they have changed: it looks at them, which finds whatever way they were replaced in
// (in place, by rename, by the swap of a symlink as Kubernetes does it, on a network file system) and needs nothing of
// the system. A pair that is not good (a key that belongs to another certificate, as in the moment between two
// renames; half a file; an expired certificate) is refused, and the last good one stays. Connections are never touched:
// the next handshake sees the new certificate. Roots does the same for the certificates that peers' are verified against.
package certificates
