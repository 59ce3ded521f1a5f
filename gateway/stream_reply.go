package gateway

import (
	"net/http"
	"strconv"
	"time"

	"sluice/protocols"
)

// reply answers the request from here: the status, and a body that names the reason. It ends the exchange.
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
		b = append(b, '\n')
	}
	st.w.scratch = b
	st.resp.Reset()
	st.replyWith(status, "text/plain; charset=utf-8", b)
}

// replyWith answers with body; st.resp may hold further fields. body is not kept.
func (st *stream) replyWith(status int, contentType string, body []byte) {
	now := st.w.loop.Now()
	h := &st.resp
	h.Status = status
	h.ContentLength = int64(len(body))
	var buf [64]byte
	h.Add("Date", st.w.loop.Wall(now).UTC().AppendFormat(buf[:0], http.TimeFormat))
	if len(body) > 0 {
		h.AddString("Content-Type", contentType)
	}
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodiless {
		h.Add("Content-Length", strconv.AppendInt(buf[:0], int64(len(body)), 10))
	}
	st.status = status
	st.answered = now
	empty := len(body) == 0 || bodiless || st.req.Method == protocols.MethodHead
	st.toClient = protocols.Event{Kind: protocols.KindHead, End: empty, Stream: st.id, Header: h}
	_, err := st.s.codec.Encode(now, &st.toClient, st.s.conn)
	if err == nil && !empty {
		st.sent = int64(len(body))
		st.toClient = protocols.Event{Kind: protocols.KindData, End: true, Stream: st.id, Data: body}
		_, err = st.s.codec.Encode(now, &st.toClient, st.s.conn)
	}
	if err != nil {
		st.w.log.Error("a local reply could not be encoded", "listener", st.s.l.cfg.Name, "error", err)
		st.cut(protocols.ReasonInternal)
		return
	}
	st.answer = directionEnded
	st.finish()
}

// refuse answers what could not be decoded as a request.
func (st *stream) refuse(r protocols.Reason, detail string) {
	now := st.w.loop.Now()
	st.started, st.requested = now, now
	st.count()
	st.request = directionEnded
	st.reason = r
	st.detail = detail
	if st.s.phase == phaseHead || st.s.phase == phaseIdle {
		st.s.phase = phaseExchange
	}
	st.reply(r.Status())
}

// redirect answers with a Location.
func (st *stream) redirect() {
	b := st.route.AppendLocation(st.w.scratch[:0], &st.req, "http")
	st.w.scratch = b
	st.resp.Reset()
	st.resp.Add("Location", b)
	st.editAnswerFields()
	st.replyWith(st.route.RedirectCode(), "", nil)
}

// direct answers with what the configuration says.
func (st *stream) direct() {
	st.resp.Reset()
	st.editAnswerFields()
	st.replyWith(st.route.Rule.Direct.Status, "text/plain; charset=utf-8", st.route.directBody)
}

// since is the time from the start of the exchange to t; zero when t did not come.
func (st *stream) since(t time.Duration) time.Duration {
	if t == 0 {
		return 0
	}
	return t - st.started
}
