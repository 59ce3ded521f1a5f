package dubbo

import (
	"testing"

	"sluice/protocols/protocoltest"
)

const transcripts = "testdata/*/*.txt"

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, Protocol(), transcripts) }

func TestTranscriptsCutAtEveryPoint(t *testing.T) { protocoltest.Splits(t, Protocol(), transcripts) }
