package gateway

import (
	"net/http"
	"time"

	"sluice/protocols"
)

// reply answers the request from here: the status, and a body that names the reason (gRPC has fields for both). It ends
// the exchange.
func (st *stream) reply(status int) {
	b := st.w.scratch[:0]
	if st.reason != protocols.ReasonNone {
		b = append(b, st.reason.String()...)
		b = append(b, ": "...)
		if st.detail != "" {
			b = append(b, st.detail...)
		} else {
			b = append(b, st.reason.Text()...)
		}
		if st.grpc {
			st.w.scratch = b
			st.replyGRPC(grpcStatus(st.reason, status), b)
			return
		}
		b = append(b, '\n')
	}
	st.w.scratch = b
	st.w.giveHead(st)
	st.resp.SetAnswer(status, "text/plain; charset=utf-8", int64(len(b)))
	st.answerLocally(b)
}

// answerLocally sends st.resp and body, which is not kept, and ends the exchange.
func (st *stream) answerLocally(body []byte) {
	now := st.w.loop.Now()
	left := st.req.ContentLength - st.received
	if st.request.state != directionEnded && left > int64(st.s.l.env.Limits.DiscardBytes) && !st.s.protocol.Multiplexed {
		st.s.announceEnd(now) // the codec closes rather than read so much only to drop it
	}
	h := st.resp
	var buf [32]byte
	protocols.AddTo(h, protocols.NameDate, st.w.loop.Wall(now).UTC().AppendFormat(buf[:0], http.TimeFormat))
	st.status = h.Status
	st.answered = now
	empty := len(body) == 0 || h.Status == http.StatusNoContent || h.Status == http.StatusNotModified ||
		st.req.Method == protocols.MethodHead
	st.filterHead(empty)
	if !empty && len(st.stages) > 0 {
		body = st.s.l.chain.AnswerData(st.stages, body, true)
	}
	err := st.encodeHead(empty)
	if err == nil && !empty {
		st.sent = int64(len(body))
		err = st.encodeLocalBody(body)
	}
	if err != nil {
		st.w.log.Error("a local reply could not be encoded", "listener", st.s.l.cfg.Name, "error", err)
		st.cut(protocols.ReasonInternal)
		return
	}
	if st.answer.head.queued() || !st.answer.hold.empty() {
		st.carrier.watch(st) // flushAnswer sends the rest
		return
	}
	st.answer.state = directionEnded
	st.finish()
}

// encodeLocalBody sends the body of a local reply, or holds it as any other.
func (st *stream) encodeLocalBody(body []byte) error {
	st.w.toClient.Set(&protocols.Event{Kind: protocols.KindData, End: true, Stream: st.id, Data: body})
	n := 0
	if !st.answer.head.queued() {
		var err error
		if n, err = st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn); err != nil || n == len(body) {
			return err
		}
	}
	st.answer.state = directionFull
	if !st.answer.hold.add(st.w, &st.w.toClient, n) {
		return errHeld
	}
	return nil
}

var errHeld = &protocols.Error{Reason: protocols.ReasonOverflow, Detail: "this process holds too much for clients that do not read"}

// refuse answers what could not be decoded as a request.
func (st *stream) refuse(r protocols.Reason, detail string) {
	now := st.w.loop.Now()
	st.req.Reset()
	st.started, st.requested = now, now
	st.count()
	st.request.state = directionEnded
	st.reason = r
	st.detail = detail
	st.reply(r.Status())
}

// redirect answers with a Location.
func (st *stream) redirect() {
	b := st.route.AppendLocation(st.w.scratch[:0], &st.req, st.s.scheme())
	st.w.scratch = b
	st.w.giveHead(st)
	st.resp.SetAnswer(st.route.RedirectCode(), "", 0)
	st.resp.Add("Location", b)
	st.editAnswerFields()
	st.answerLocally(nil)
}

// direct answers with what the configuration says.
func (st *stream) direct() {
	contentType := "text/plain; charset=utf-8"
	if len(st.route.directBody) == 0 {
		contentType = ""
	}
	st.w.giveHead(st)
	st.resp.SetAnswer(st.route.Rule.Direct.Status, contentType, int64(len(st.route.directBody)))
	st.editAnswerFields()
	st.answerLocally(st.route.directBody)
}

// since is the time from the start of the exchange to t; zero when t did not come.
func (st *stream) since(t time.Duration) time.Duration {
	if t == 0 {
		return 0
	}
	return t - st.started
}
