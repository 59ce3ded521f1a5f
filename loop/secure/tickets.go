package secure

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"sync"
	"time"
	"weak"
)

// ticketGenerations is how many keys open tickets: the one that also makes them, and those before it.
const ticketGenerations = 3

// TicketKeys are the keys of session tickets, for all loops and for all of the process's configurations, each of which gets
// keys of its own derived from them and from its policy: a ticket that was given under one policy is worth nothing
// under another. Its methods are safe on any goroutine.
type TicketKeys struct {
	mu     sync.Mutex
	master [][32]byte // newest first
	users  []ticketUser
}

type ticketUser struct {
	cfg    weak.Pointer[tls.Config]
	policy [32]byte
}

// NewTicketKeys returns keys that begin with master, newest first, for gateways that share sessions; without, with a
// random one.
func NewTicketKeys(master ...[32]byte) *TicketKeys {
	k := &TicketKeys{master: append([][32]byte(nil), master...)}
	if len(k.master) == 0 {
		k.master = [][32]byte{newTicketKey()}
	}
	return k
}

func newTicketKey() (key [32]byte) {
	_, _ = rand.Read(key[:]) // it never fails: crypto/rand ends the process instead
	return key
}

// Apply gives cfg keys, now and after each Rotate as long as cfg is in use. policy is a hash of all that a resumed
// session does not check again: which certificates the server has, whether and against what it verifies the client.
func (k *TicketKeys) Apply(cfg *tls.Config, policy [32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users = append(k.users, ticketUser{weak.Make(cfg), policy})
	cfg.SetSessionTicketKeys(k.derive(policy))
}

// Rotate makes a new key; tickets of the two keys before it are still good.
func (k *TicketKeys) Rotate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.master = append([][32]byte{newTicketKey()}, k.master[:min(len(k.master), ticketGenerations-1)]...)
	kept := k.users[:0]
	for _, u := range k.users {
		if cfg := u.cfg.Value(); cfg != nil {
			cfg.SetSessionTicketKeys(k.derive(u.policy))
			kept = append(kept, u)
		}
	}
	clear(k.users[len(kept):])
	k.users = kept
}

// RotateEvery calls Rotate until stop is called.
func (k *TicketKeys) RotateEvery(d time.Duration) (stop func()) {
	quit := make(chan struct{})
	go func() {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				k.Rotate()
			case <-quit:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit) })
}

func (k *TicketKeys) derive(policy [32]byte) [][32]byte {
	keys := make([][32]byte, len(k.master))
	for i := range k.master {
		mac := hmac.New(sha256.New, k.master[i][:])
		_, _ = mac.Write(policy[:])
		mac.Sum(keys[i][:0])
	}
	return keys
}
