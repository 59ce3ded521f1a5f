package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"sluice/gateway/telemetry/logging"
)

const (
	updateLogLevelUsage = `POST /api/v1/update_loglevel with the body {"log_path":"PATH","log_level":"DEBUG"}`
	enableLogUsage      = "POST /api/v1/enable_log with the path of a log as the body"
	disableLogUsage     = "POST /api/v1/disable_log with the path of a log as the body"
)

func (a *api) getLogLevel(w http.ResponseWriter, _ *http.Request) {
	names := map[string]string{}
	for path, level := range a.Logs.Levels() {
		names[path] = logging.LevelName(level)
	}
	_ = writeJSON(w, http.StatusOK, layout{html: true}, names) // strings always render
}

func (a *api) updateLogLevel(w http.ResponseWriter, r *http.Request) {
	const failed = "update logger failed"
	body, ok := readBody(w, r, failed)
	if !ok {
		return
	}
	var ask struct {
		Path  *string `json:"log_path"`
		Level *string `json:"log_level"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&ask)
	switch {
	case err != nil:
		failJSON(w, http.StatusBadRequest, failed, err.Error()+"; expected: "+updateLogLevelUsage)
		return
	case d.More() || ask.Path == nil || ask.Level == nil:
		failJSON(w, http.StatusBadRequest, failed, "expected: "+updateLogLevelUsage)
		return
	}
	level, err := logging.ParseLevel(*ask.Level)
	if err == nil {
		err = a.Logs.SetLevel(*ask.Path, level)
	}
	if err != nil {
		failJSON(w, http.StatusBadRequest, failed, err.Error())
		return
	}
	a.Log.Info("log level changed by the admin API", "path", *ask.Path, "level", logging.LevelName(level), "client", r.RemoteAddr)
	text(w, http.StatusOK, "update logger success\n")
}

func (a *api) enableLog(w http.ResponseWriter, r *http.Request)  { a.switchLog(w, r, true) }
func (a *api) disableLog(w http.ResponseWriter, r *http.Request) { a.switchLog(w, r, false) }

// switchLog starts or stops the process log and the access log of a path, whichever there is.
func (a *api) switchLog(w http.ResponseWriter, r *http.Request, on bool) {
	verb, usage := "disable", disableLogUsage
	if on {
		verb, usage = "enable", enableLogUsage
	}
	body, ok := readBody(w, r, verb+" logger failed")
	if !ok {
		return
	}
	path := strings.TrimSpace(string(body))
	if path == "" {
		failJSON(w, http.StatusBadRequest, verb+" logger failed", "expected: "+usage)
		return
	}
	// Said before it is done, or a log that is switched off would not tell who did it.
	a.Log.Info("log switched by the admin API", "path", path, "on", on, "client", r.RemoteAddr)
	err1, err2 := a.Logs.SetEnabled(path, on), a.AccessLogs.SetEnabled(path, on)
	if err1 != nil && err2 != nil {
		failJSON(w, http.StatusBadRequest, verb+" logger failed", strings.ReplaceAll(errors.Join(err1, err2).Error(), "\n", "; "))
		return
	}
	text(w, http.StatusOK, verb+" logger success\n")
}

// readBody reads a request's body, or answers that it can't be read.
func readBody(w http.ResponseWriter, r *http.Request, failed string) ([]byte, bool) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		return body, true
	}
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	failJSON(w, status, failed, err.Error())
	return nil, false
}
