package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"xi-k8s/interop/plugin/pb/hostpb"
)

// seen answers what arrived: method, path, query, headers, and the body's bytes as a number.
func seen(w http.ResponseWriter, r *http.Request) {
	bytes, _ := io.Copy(io.Discard, r.Body)
	answer(w, map[string]any{
		"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "headers": r.Header, "host": r.Host,
		"protocol": r.Proto, "bytes": bytes,
	})
}

// source writes as many bytes as ?bytes says.
func (p *echoPlugin) source(w http.ResponseWriter, r *http.Request) {
	left, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	block := make([]byte, 64<<10)
	for left > 0 {
		written, err := w.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			return
		}
		left -= int64(written)
		p.sent.Add(int64(written))
	}
}

// sink reads everything, and answers how much it was.
func sink(w http.ResponseWriter, r *http.Request) {
	bytes, err := io.CopyBuffer(io.Discard, r.Body, make([]byte, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, map[string]any{"bytes": bytes})
}

func trailers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "X-Checked")
	io.WriteString(w, "and then")
	w.Header().Set("X-Checked", "yes")
}

func (p *echoPlugin) state(w http.ResponseWriter, _ *http.Request) {
	id, _ := p.host().get()
	answer(w, map[string]any{
		"connections": p.connections.Load(), "left": p.left.Load(), "sent": p.sent.Load(), "runtime_id": id,
	})
}

// report makes the plugin be, and report, what ?state says: healthy, degraded or unhealthy.
func (p *echoPlugin) report(w http.ResponseWriter, r *http.Request) {
	name := "HEALTH_STATE_" + strings.ToUpper(r.URL.Query().Get("state"))
	state, known := hostpb.HealthState_value[name]
	if !known {
		http.Error(w, "there is no state "+name, http.StatusBadRequest)
		return
	}
	p.health.Store(state)
	if err := p.host().reportHealth(r.Context(), hostpb.HealthState(state), "was told so"); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
