package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "xi-k8s/interop/lightpeer/pb"
)

const checkEvery = 500 * time.Millisecond

type member struct {
	Address string `json:",omitempty"`
	Name    string `json:",omitempty"`
}

type peer struct {
	pb.UnimplementedLightpeerServer
	repo string
	self member

	// Held over what this peer begins itself, one after another.
	order sync.Mutex
	// Held for a moment: while others are told, their blocks come in, and two peers that persist at once fork the chain.
	mutex   sync.Mutex
	head    string
	blocks  map[string]*pb.Lightblock
	members []member
	conns   map[string]*grpc.ClientConn
	// Told of each CLIENT block that another peer made.
	received func(payload []byte)
}

func newPeer(repo, address string) *peer {
	p := &peer{
		repo:     repo,
		self:     member{Address: address},
		blocks:   map[string]*pb.Lightblock{},
		conns:    map[string]*grpc.ClientConn{},
		received: func([]byte) {},
	}
	// A fresh peer is a network of itself.
	p.members = []member{p.self}
	p.add(p.networkBlock())
	return p
}

func (p *peer) block(kind pb.Lightblock_BlockType, payload []byte) *pb.Lightblock {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return &pb.Lightblock{ID: newID(), Payload: payload, PrevID: p.head, Type: kind, LastUpdated: timestamppb.Now()}
}

func (p *peer) networkBlock() *pb.Lightblock {
	payload, _ := json.Marshal(p.listed())
	return p.block(pb.Lightblock_NETWORK, payload)
}

func (p *peer) listed() []member {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]member(nil), p.members...)
}

func (p *peer) setMembers(members []member) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.members = members
}

// chain answers the blocks from the head back to the oldest.
func (p *peer) chain() []*pb.Lightblock {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var blocks []*pb.Lightblock
	for at := p.blocks[p.head]; at != nil; at = p.blocks[at.PrevID] {
		blocks = append(blocks, at)
	}
	return blocks
}

// add makes a block the head.
func (p *peer) add(block *pb.Lightblock) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.blocks[block.ID] = block
	p.head = block.ID
	save(p.repo, block)
}

func (p *peer) dial(address string) (*grpc.ClientConn, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if known, ok := p.conns[address]; ok {
		return known, nil
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		p.conns[address] = conn
	}
	return conn, err
}

// notify tells every other member in turn. One that answers with an error of its own fails the whole; one that cannot be
// reached is left out.
func (p *peer) notify(ctx context.Context, block *pb.Lightblock, except string) error {
	for _, m := range p.listed() {
		if m.Address == p.self.Address || m.Address == except {
			continue
		}
		conn, err := p.dial(m.Address)
		if err != nil {
			continue
		}
		if _, err := pb.NewLightpeerClient(conn).NotifyNewBlock(ctx, block); status.Code(err) == codes.Unknown {
			return err
		}
	}
	return nil
}

func (p *peer) JoinNetwork(ctx context.Context, request *pb.JoinRequest) (*pb.JoinResponse, error) {
	p.order.Lock()
	defer p.order.Unlock()
	conn, err := p.dial(request.Address)
	if err != nil {
		return nil, err
	}
	info := &pb.PeerInfo{Address: p.self.Address, Name: p.self.Name}
	stream, err := pb.NewLightpeerClient(conn).ConnectNewPeer(ctx, &pb.ConnectRequest{Peer: info})
	if err != nil {
		return nil, err
	}
	head, found := "", false
	var members []member
	var blocks []*pb.Lightblock
	for {
		block, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
		if head == "" {
			head = block.ID
		}
		if block.Type == pb.Lightblock_NETWORK && !found {
			found = json.Unmarshal(block.Payload, &members) == nil
		}
	}
	if !found {
		return nil, errors.New("no network block in the chain")
	}
	for _, block := range blocks {
		p.add(block)
	}
	p.setMembers(members)
	p.mutex.Lock()
	p.head = head
	p.mutex.Unlock()
	return &pb.JoinResponse{Result: "joined"}, nil
}

func (p *peer) ConnectNewPeer(request *pb.ConnectRequest, stream pb.Lightpeer_ConnectNewPeerServer) error {
	p.order.Lock()
	defer p.order.Unlock()
	joining := member{request.GetPeer().GetAddress(), request.GetPeer().GetName()}
	// Not looked for among those that there are: who joins twice is listed twice.
	p.setMembers(append(p.listed(), joining))
	block := p.networkBlock()
	if err := p.notify(stream.Context(), block, joining.Address); err != nil {
		return err
	}
	p.add(block)
	for _, at := range p.chain() {
		if err := stream.Send(at); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) Persist(ctx context.Context, request *pb.PersistRequest) (*pb.PersistResponse, error) {
	p.order.Lock()
	defer p.order.Unlock()
	block := p.block(pb.Lightblock_CLIENT, request.Payload)
	if err := p.notify(ctx, block, ""); err != nil {
		return nil, err
	}
	p.add(block)
	return &pb.PersistResponse{Response: block.ID}, nil
}

func (p *peer) Query(_ *pb.EmptyQueryRequest, stream pb.Lightpeer_QueryServer) error {
	for _, at := range p.chain() {
		if at.Type != pb.Lightblock_CLIENT {
			continue
		}
		if err := stream.Send(&pb.QueryResponse{Payload: at.Payload}); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) NotifyNewBlock(_ context.Context, block *pb.Lightblock) (*pb.NewBlockResponse, error) {
	p.mutex.Lock()
	fits := block.PrevID == p.head
	p.mutex.Unlock()
	if !fits {
		return nil, errors.New("new block links to invalid parent")
	}
	p.add(block)
	if block.Type == pb.Lightblock_CLIENT {
		p.received(block.Payload)
		return &pb.NewBlockResponse{Response: "ok"}, nil
	}
	var members []member
	if json.Unmarshal(block.Payload, &members) == nil {
		p.setMembers(members)
	}
	return &pb.NewBlockResponse{Response: "ok"}, nil
}

// dropDead leaves out the members that do not answer a health check.
func (p *peer) dropDead() {
	p.order.Lock()
	defer p.order.Unlock()
	members := p.listed()
	var alive []member
	for _, m := range members {
		if m.Address == p.self.Address || p.isHealthy(m.Address) {
			alive = append(alive, m)
		}
	}
	if len(alive) == len(members) {
		return
	}
	p.setMembers(alive)
	block := p.networkBlock()
	ctx, cancel := context.WithTimeout(context.Background(), checkEvery)
	defer cancel()
	if p.notify(ctx, block, "") == nil {
		p.add(block)
	}
}

func (p *peer) isHealthy(address string) bool {
	conn, err := p.dial(address)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkEvery)
	defer cancel()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err == nil && answer.Status == healthpb.HealthCheckResponse_SERVING
}

func runPeer(args []string) error {
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	repo := flags.String("repo", "", "folder of the blocks")
	host := flags.String("host", "127.0.0.1", "address")
	port := flags.Int("port", 9081, "port")
	statePath := flags.String("statePath", "", "state file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	address := fmt.Sprintf("%s:%d", *host, *port)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	p := newPeer(*repo, address)
	if *statePath != "" {
		p.received = writeState(*statePath)
		go pollState(p, *statePath)
	}
	server := grpc.NewServer()
	pb.RegisterLightpeerServer(server, p)
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() {
		for range time.Tick(checkEvery) {
			p.dropDead()
		}
	}()
	fmt.Println("listens on", address)
	return server.Serve(listener)
}
