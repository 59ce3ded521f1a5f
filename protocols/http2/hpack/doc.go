// Package hpack is the header compression of HTTP/2 (RFC 7541), built for a gateway: no allocation per field or block in
// steady state, tables that cost an idle connection only what is in them, well-known names as [protocols.NameID].
//
// # Usage
//
// A connection embeds a [Decoder] for what it receives and an [Encoder] for what it sends; the zero values are ready. A
// [Scratch] belongs to the loop and serves all of its connections.
//
//	d.Begin(block, scratch)
//	for {
//		f, more, err := d.Next()
//		if err != nil || !more {
//			break // an error is a COMPRESSION_ERROR
//		}
//		if !f.Checked && valid(f) {
//			d.MarkChecked()
//		}
//	}
//
//	out = e.Begin(out)
//	out = e.AppendPseudo(out, hpack.PseudoStatus, status)
//	out = e.Append(out, id, name, value, hpack.DefaultPolicy(id))
//
// Blocks are whole: whoever reads frames joins HEADERS and CONTINUATION first, and limits what they hold.
//
// # Limits
//
// A table has at most [MaxTableSize] bytes, an encoder's 4096. A Huffman string has at most Scratch.Max bytes when it is
// decoded. The number of fields in a block, and their sum, are for the caller to limit: an indexed field takes one byte of
// the block and may stand for 4 KiB.
package hpack
