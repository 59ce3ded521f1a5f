package http2

// A fate is what became of a stream that is in no table.
type fate uint8

const (
	fateSkipped fate = iota // it was never opened
	fateClosed              // both directions have ended
	fateResetHere
	fateResetThere
	fateForgotten // too long ago to know
)

// fates remembers the last fateCount streams of a connection, two bits each: frames may be on their way to a stream that
// we have reset, and are no fault of the peer's, while those to a stream that it has ended itself are.
type fates struct {
	bits [fateCount / 32]uint64
	last uint32 // the highest number that was opened
}

const fateCount = 256

// open makes id the last stream. Those between it and the one before are skipped.
func (f *fates) open(id uint32) {
	if id-f.last >= 2*fateCount {
		f.bits = [fateCount / 32]uint64{}
	} else {
		for i := f.last + 1; i < id; i++ {
			if i&1 == id&1 {
				f.set(i, fateSkipped)
			}
		}
	}
	f.last = id
}

func (f *fates) set(id uint32, x fate) {
	if f.last >= id && f.last-id >= 2*fateCount {
		return
	}
	n := id >> 1 % fateCount
	word, shift := &f.bits[n/32], n%32*2
	*word = *word&^(3<<shift) | uint64(x)<<shift
}

// of returns the fate of a stream that is in no table and not idle: id <= last.
func (f *fates) of(id uint32) fate {
	if f.last-id >= 2*fateCount {
		return fateForgotten
	}
	n := id >> 1 % fateCount
	return fate(f.bits[n/32] >> (n % 32 * 2) & 3)
}
