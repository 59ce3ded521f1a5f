package hpack

// A pair is a name and a value.
type pair struct{ name, value string }

// staticTable is RFC 7541 appendix A; the first entry has index 1.
var staticTable = [staticLen]pair{
	{":authority", ""},
	{":method", "GET"},
	{":method", "POST"},
	{":path", "/"},
	{":path", "/index.html"},
	{":scheme", "http"},
	{":scheme", "https"},
	{":status", "200"},
	{":status", "204"},
	{":status", "206"},
	{":status", "304"},
	{":status", "400"},
	{":status", "404"},
	{":status", "500"},
	{"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"},
	{"accept-language", ""},
	{"accept-ranges", ""},
	{"accept", ""},
	{"access-control-allow-origin", ""},
	{"age", ""},
	{"allow", ""},
	{"authorization", ""},
	{"cache-control", ""},
	{"content-disposition", ""},
	{"content-encoding", ""},
	{"content-language", ""},
	{"content-length", ""},
	{"content-location", ""},
	{"content-range", ""},
	{"content-type", ""},
	{"cookie", ""},
	{"date", ""},
	{"etag", ""},
	{"expect", ""},
	{"expires", ""},
	{"from", ""},
	{"host", ""},
	{"if-match", ""},
	{"if-modified-since", ""},
	{"if-none-match", ""},
	{"if-range", ""},
	{"if-unmodified-since", ""},
	{"last-modified", ""},
	{"link", ""},
	{"location", ""},
	{"max-forwards", ""},
	{"proxy-authenticate", ""},
	{"proxy-authorization", ""},
	{"range", ""},
	{"referer", ""},
	{"refresh", ""},
	{"retry-after", ""},
	{"server", ""},
	{"set-cookie", ""},
	{"strict-transport-security", ""},
	{"transfer-encoding", ""},
	{"user-agent", ""},
	{"vary", ""},
	{"via", ""},
	{"www-authenticate", ""},
}

// staticLen is how many entries the static table has.
const staticLen = 61

// staticFields are the entries of the static table as the decoder returns them, by index.
var staticFields = buildStaticFields()

func buildStaticFields() (t [staticLen + 1]Field) {
	for i, f := range staticTable {
		k := &knownNames[lookupKnown([]byte(f.name))]
		t[i+1] = Field{ID: k.id, Pseudo: k.pseudo, Checked: true, NameChecked: true, Name: k.name, Value: []byte(f.value)}
	}
	return t
}

// staticKnown are the names of the static table, by index.
var staticKnown = buildStaticKnown()

func buildStaticKnown() (t [staticLen + 1]known) {
	for i, f := range staticTable {
		t[i+1] = lookupKnown([]byte(f.name))
	}
	return t
}
