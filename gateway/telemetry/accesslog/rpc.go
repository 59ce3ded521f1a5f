package accesslog

import (
	"strconv"

	"sluice/protocols"
)

// appendClass is the name of the class that a Bolt request holds.
func appendClass(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.Class()...)
}

func appendResponseClass(dst []byte, r *Record, _ *operand) []byte {
	if r.Response == nil {
		return dst
	}
	return append(dst, r.Response.Class()...)
}

// appendBoltStatus is the status that a Bolt upstream has answered with; response_code is what HTTP calls it.
func appendBoltStatus(dst []byte, r *Record, _ *operand) []byte {
	if r.Response == nil || r.Response.Proto != protocols.ProtocolBolt {
		return dst
	}
	return strconv.AppendUint(dst, uint64(r.Response.Code), 10)
}

// appendService is the service that an RPC names, where SOFA's clients put it.
func appendService(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	if v := r.Request.Get(protocols.NameService); len(v) > 0 {
		return append(dst, v...)
	}
	return append(dst, r.Request.Lookup("sofa_head_target_service")...)
}

// appendRPCMethod is the method that an RPC names.
func appendRPCMethod(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.Lookup("sofa_head_method_name")...)
}
