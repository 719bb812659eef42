package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	pb "xi-k8s/interop/lightpeer/pb"
)

// storedBlock is a block as a file of JSON; empty fields are left out.
type storedBlock struct {
	ID      string `json:",omitempty"`
	Payload []byte `json:",omitempty"`
	PrevID  string `json:",omitempty"`
	Type    int32  `json:",omitempty"`
}

// save writes a block into the folder, a file named after its id. As in the reference nothing is synced, and a folder that
// is not there loses the block without a word.
func save(repo string, block *pb.Lightblock) {
	if repo == "" {
		return
	}
	text, err := json.Marshal(storedBlock{block.ID, block.Payload, block.PrevID, int32(block.Type)})
	if err == nil {
		_ = os.WriteFile(filepath.Join(repo, block.ID), text, 0o644)
	}
}
