// WebSocket by Node.js, over HTTP/2 (RFC 8441) and HTTP/1:
//
//   node websocket.mjs serve [CHAIN KEY]  an HTTP/2 server that echoes messages; prints "listening ADDRESS"; with TLS if it is
//                                     given a certificate
//   node websocket.mjs http2 URL      a client over HTTP/2
//   node websocket.mjs http URL       undici's client, which upgrades HTTP/1
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { WebSocket } from 'undici'

const [what, url, key] = process.argv.slice(2)
const sizes = [1, 125, 126, 65535, 65536, 1 << 20]
const payload = (n) => Buffer.alloc(n, `payload of ${n} bytes;`)

// frame is a whole binary message (RFC 6455 section 5.2); a client's is masked.
function frame (data, masked) {
  const b = data.length < 126 ? Buffer.alloc(2) : Buffer.alloc(10)
  b[0] = 0x82
  if (data.length < 126) b[1] = data.length
  else {
    b[1] = 127
    b.writeBigUInt64BE(BigInt(data.length), 2)
  }
  if (!masked) return Buffer.concat([b, data])
  b[1] |= 0x80
  const mask = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([b, mask, data.map((x, i) => x ^ mask[i % 4])])
}

// messages yields the payloads of the data frames that come, until the other side closes.
async function * messages (stream) {
  let b = Buffer.alloc(0)
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    b = Buffer.concat([b, piece])
    for (;;) {
      if (b.length < 2) break
      const short = b[1] & 0x7f
      const at = short < 126 ? 2 : short === 126 ? 4 : 10
      const masked = b[1] & 0x80 ? 4 : 0
      if (b.length < at + masked) break
      const n = short < 126 ? short : short === 126 ? b.readUInt16BE(2) : Number(b.readBigUInt64BE(2))
      if (b.length < at + masked + n) break
      const mask = b.subarray(at, at + masked)
      const data = b.subarray(at + masked, at + masked + n).map((x, i) => masked ? x ^ mask[i % 4] : x)
      if ((b[0] & 0x0f) === 8) return
      b = b.subarray(at + masked + n)
      yield Buffer.from(data)
    }
  }
}

async function serve () {
  const settings = { enableConnectProtocol: true }
  const server = key ? http2.createSecureServer({ settings, cert: url, key }) : http2.createServer({ settings })
  server.on('stream', async (stream, headers) => {
    stream.on('error', (e) => console.error(e))
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket' || headers['sec-websocket-version'] !== '13' ||
      headers[':path'] !== '/chat' || headers.upgrade || headers.connection || headers['sec-websocket-key']) {
      console.error('no handshake of RFC 8441:', headers)
      stream.respond({ ':status': 400 }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200 })
    for await (const m of messages(stream)) stream.write(frame(m, false))
    stream.end(Buffer.from([0x88, 0]))
    stream.resume() // to the end
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log(`listening 127.0.0.1:${server.address().port}`)
}

async function overHTTP2 () {
  const session = http2.connect(url)
  await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.enableConnectProtocol, true)
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':scheme': new URL(url).protocol.slice(0, -1), 'sec-websocket-version': '13'
  })
  const [headers] = await once(stream, 'response')
  assert.equal(headers[':status'], 200)
  const echoes = messages(stream)
  for (const n of sizes) {
    stream.write(frame(payload(n), true))
    const { value } = await echoes.next()
    assert.ok(payload(n).equals(value), `the echo of ${n} bytes is another`)
  }
  stream.write(Buffer.from([0x88, 0x80, 1, 2, 3, 4]))
  assert.equal((await echoes.next()).done, true)
  stream.end()
  stream.resume()
  if (!stream.closed) await once(stream, 'close')
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR)
  session.close()
}

async function overHTTP1 () {
  const socket = new WebSocket(url.replace(/^http/, 'ws') + '/chat')
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = (e) => reject(e.error ?? new Error('no connection'))
  })
  for (const n of sizes) {
    const echo = new Promise((resolve) => { socket.onmessage = resolve })
    socket.send(payload(n))
    assert.ok(payload(n).equals(Buffer.from((await echo).data)), `the echo of ${n} bytes is another`)
  }
  const closed = new Promise((resolve) => { socket.onclose = resolve })
  socket.close()
  await closed
}

await { serve, http2: overHTTP2, http: overHTTP1 }[what]()
