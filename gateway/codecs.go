package gateway

import (
	"sluice/protocols"
	"sluice/protocols/bolt"
	"sluice/protocols/dubbo"
	"sluice/protocols/http1"
	"sluice/protocols/http2"
	"sluice/protocols/tcp"
)

// codecs is the list of protocols that the gateway speaks. It is the only place of the gateway that names them.
func codecs() []*protocols.Protocol {
	return []*protocols.Protocol{http2.Protocol(), bolt.Protocol(), dubbo.Protocol(), http1.Protocol(), tcp.Protocol()}
}
