// The common set of exchanges by clients of Node.js: node client.mjs http|http2|undici|undici-h2 URL BYTES
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import http from 'node:http'
import https from 'node:https'
import http2 from 'node:http2'
import { Client, H2CClient } from 'undici'

const [kind, url, size] = process.argv.slice(2)
const sha = (b) => createHash('sha256').update(b).digest('hex')

// A body of so many bytes, in pieces; as large as the upstream's own.
const piece = Buffer.alloc(64 * 1024)
for (let i = 0; i < piece.length; i++) piece[i] = (i * 7919) >> 3
const pieces = Array(Number(size) / piece.length).fill(piece)
const whole = Buffer.concat(pieces)

// Each exchange() sends a request and resolves when the head of its answer is there, with {status, headers, body, trailers(),
// hints, cancel()}. The options: method, path, body (an async iterable), trailers.
const clients = {
  http () {
    const { Agent, request } = url.startsWith('https:') ? https : http
    const agent = new Agent({ keepAlive: true, maxSockets: 200 })
    return {
      streams: 200,
      trailers: true,
      hints: true,
      exchange: ({ method = 'GET', path, body, trailers }) => new Promise((resolve, reject) => {
        const headers = trailers ? { trailer: Object.keys(trailers).join(', ') } : {}
        const r = request(url + path, { agent, method, headers })
        const hints = []
        r.on('error', reject)
        r.on('information', (i) => hints.push([i.statusCode, i.headers.link]))
        r.on('response', (a) => resolve({
          status: a.statusCode, headers: a.headers, body: a, trailers: () => a.trailers, hints, cancel: () => r.destroy()
        }))
        if (trailers) r.addTrailers(trailers)
        if (body) Readable.from(body).pipe(r)
        else r.end()
      }),
      close: () => agent.destroy()
    }
  },
  http2 () {
    const session = http2.connect(url)
    return {
      streams: 1000,
      trailers: true,
      hints: true,
      exchange: ({ method = 'GET', path, body, trailers }) => new Promise((resolve, reject) => {
        const announced = trailers ? { trailer: Object.keys(trailers).join(', ') } : {}
        const r = session.request({ ':method': method, ':path': path, ...announced }, { endStream: !body, waitForTrailers: Boolean(trailers) })
        const hints = []
        let last = {}
        r.on('error', reject)
        r.on('headers', (h) => hints.push([h[':status'], h.link]))
        r.on('trailers', (h) => { last = h })
        r.on('wantTrailers', () => r.sendTrailers(trailers))
        r.on('response', (h) => resolve({
          status: h[':status'], headers: h, body: r, trailers: () => last, hints, cancel: () => r.close(http2.constants.NGHTTP2_CANCEL)
        }))
        if (body) Readable.from(body).pipe(r)
      }),
      close: () => session.close()
    }
  },
  undici: () => undici(new Client(url, { pipelining: 1, allowH2: false }), 100, true),
  'undici-h2': () => undici(url.startsWith('https:')
    ? new Client(url, { allowH2: true, maxConcurrentStreams: 100, pipelining: 100 })
    : new H2CClient(url, { maxConcurrentStreams: 100 }), 100, false)
}

// undici sends no trailers.
function undici (client, streams, hints) {
  return {
    streams,
    trailers: false,
    hints, // undici's HTTP/2 does not tell them
    exchange: async ({ method = 'GET', path, body }) => {
      const abort = new AbortController()
      const hints = []
      const r = await client.request({
        path, method, body: body && Readable.from(body), signal: abort.signal, onInfo: (i) => hints.push([i.statusCode, i.headers.link])
      })
      return {
        status: r.statusCode, headers: r.headers, body: r.body, trailers: () => r.trailers, hints, cancel: () => abort.abort()
      }
    },
    close: () => client.close()
  }
}

async function read (answer) {
  const all = []
  for await (const b of answer.body) all.push(b)
  return Buffer.concat(all)
}

const client = clients[kind]()
const get = async (path) => {
  const a = await client.exchange({ path })
  assert.equal(a.status, 200)
  return a
}

const set = {
  async upload () {
    const trailers = client.trailers ? { 'x-sum': sha(whole) } : undefined
    const a = await client.exchange({ method: 'POST', path: '/sum', body: pieces, trailers })
    assert.equal(a.status, 200)
    assert.equal((await read(a)).toString(), `${whole.length} ${sha(whole)}`)
    if (kind !== 'undici-h2') assert.equal(a.trailers()['x-sum'], sha(whole)) // it does not tell trailers
    if (client.trailers) assert.equal(a.trailers()['x-got'], sha(whole))
  },
  async download () {
    const a = await get('/large')
    const b = await read(a)
    assert.equal(b.length, Number(a.headers['x-bytes']))
    assert.equal(sha(b), a.headers['x-digest'])
    if (kind !== 'undici-h2') assert.equal(a.trailers()['x-sum'], sha(b))
  },
  async echo () {
    const a = await client.exchange({ method: 'POST', path: '/echo', body: pieces })
    assert.equal(sha(await read(a)), sha(whole))
  },
  async early () {
    const a = await get('/early')
    assert.equal((await read(a)).toString(), 'late')
    if (client.hints) assert.deepEqual(a.hints, [[103, '</style.css>; rel=preload']])
  },
  async head () {
    const a = await client.exchange({ method: 'HEAD', path: '/large' })
    assert.equal((await read(a)).length, 0)
    assert.equal(a.headers['content-length'], String(whole.length))
  },
  async events () {
    const other = clients[kind]() // HTTP/1 needs a second connection to say that an event was seen
    const a = await get('/events')
    let text = ''
    let seen = 0
    for await (const b of a.body) {
      text += b
      for (; text.includes(`data: ${seen}\n\n`); seen++) {
        await read(await other.exchange({ method: 'POST', path: '/seen' }))
      }
    }
    other.close()
    assert.equal(text, [0, 1, 2, 3, 4].map((i) => `data: ${i}\n\n`).join(''))
  },
  async cancellation () {
    const a = await get('/hang')
    let gone = false
    a.body.on('error', () => { gone = true })
    await new Promise((resolve) => a.body.once('data', resolve))
    a.cancel()
    for (;;) { // until the upstream has seen it
      const n = await client.exchange({ path: '/cancelled' })
      if ((await read(n)).toString() === '1') break
    }
    assert.ok(gone || a.body.destroyed)
  },
  async streams () {
    const all = []
    for (let i = 0; i < 1000; i++) {
      all.push(client.exchange({ path: `/small?${i}` }).then(read).then((b) => assert.equal(b.toString(), `GET /small?${i}`)))
    }
    await Promise.all(all)
  }
}

for (const [name, exchange] of Object.entries(set)) {
  try {
    await exchange()
  } catch (e) {
    console.error(`${kind}: ${name}: ${e.stack}`)
    process.exitCode = 1
  }
}
client.close()
