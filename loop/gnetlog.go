package loop

import (
	"fmt"
	"log/slog"

	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// gnetLogger replaces gnet's own logger, which writes to standard output. Its package can't be kept from reading
// GNET_LOGGING_LEVEL when the process starts, and panics if that is not a number.
type gnetLogger struct{ log *slog.Logger }

var _ logging.Logger = gnetLogger{}

func (g gnetLogger) Debugf(format string, args ...any) { g.log.Debug(fmt.Sprintf(format, args...)) }
func (g gnetLogger) Infof(format string, args ...any)  { g.log.Info(fmt.Sprintf(format, args...)) }
func (g gnetLogger) Warnf(format string, args ...any)  { g.log.Warn(fmt.Sprintf(format, args...)) }
func (g gnetLogger) Errorf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf logs an error; the poller never calls it, and ending the process is not its business.
func (g gnetLogger) Fatalf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }

func replaceGnetLogger(log *slog.Logger) {
	logging.SetDefaultLoggerAndFlusher(gnetLogger{log.With(slog.String("from", "gnet"))}, nil)
}
