package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"xi-k8s/interop/plugin/pb/echopb"
	"xi-k8s/interop/plugin/pb/hostpb"
)

// hostUser is a program beside the plugins that uses a host as they do.
type hostUser struct {
	*hostClient
	flags *flag.FlagSet
	hello hostpb.HandshakeRequest
}

const usage = `golike client -host URL [FLAG…] COMMAND [ARGUMENT…]
  handshake
  register TYPE VERSION PATH KEY=VALUE…
  unregister REGISTRATION_ID
  health STATE [REASON]
  discover TYPE [MIN_VERSION]
  watch TYPE                             until it is ended
  capability TYPE [MIN_VERSION]
  echo|count|hold|gather ENDPOINT ARGUMENT…  through the router
`

// runClient does one thing at a host. Without -id it shakes hands first.
func runClient(args []string) error {
	u := &hostUser{flags: flag.NewFlagSet("client", flag.ExitOnError)}
	u.flags.Usage = func() { fmt.Fprint(u.flags.Output(), usage); u.flags.PrintDefaults() }
	host := u.flags.String("host", "", "the host's URL")
	id := u.flags.String("id", "", "a runtime id, instead of a handshake")
	token := u.flags.String("token", "", "its token")
	json := u.flags.Bool("json", false, "speak JSON instead of binary")
	gzip := u.flags.Bool("gzip", false, "compress what is sent")
	h2c := u.flags.Bool("h2c", false, "speak HTTP/2 without TLS")
	grpc := u.flags.Bool("grpc", false, "call plugins by gRPC; needs -h2c")
	timeout := u.flags.Duration("timeout", 0, "of the whole, which the other side is told; 0 for none")
	core := u.flags.Int("core", 1, "core protocol version of the handshake")
	app := u.flags.Int("app", 1, "app protocol version of the handshake")
	u.flags.StringVar(&u.hello.MagicCookieKey, "cookie-key", cookieKey, "of the handshake")
	u.flags.StringVar(&u.hello.MagicCookieValue, "cookie-value", cookieValue, "of the handshake")
	u.flags.StringVar(&u.hello.SelfId, "self-id", "golike-client", "of the handshake")
	u.flags.StringVar(&u.hello.SelfVersion, "self-version", "1.0.0", "of the handshake")
	if err := u.flags.Parse(args); err != nil {
		return err
	}
	u.hello.CoreProtocolVersion, u.hello.AppProtocolVersion = int32(*core), int32(*app)
	var options []connect.ClientOption
	if *json {
		options = append(options, connect.WithProtoJSON())
	}
	if *gzip {
		options = append(options, connect.WithSendGzip())
	}
	if *grpc {
		options = append(options, connect.WithGRPC())
	}
	ctx := context.Background()
	if *timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		ctx = bounded
	}
	u.hostClient = newHostClientOver(httpClient(*h2c), *host, options...)
	u.set(*id, *token)
	return u.do(ctx, *id == "" && *token == "")
}

func httpClient(h2c bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

func (u *hostUser) do(ctx context.Context, unknown bool) error {
	command, args := u.flags.Arg(0), u.flags.Args()
	if unknown || command == "handshake" {
		res, err := u.shakeHands(ctx, &u.hello)
		if err != nil {
			return err
		}
		sayMessage("handshake", res)
	}
	at := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch command {
	case "handshake":
		return nil
	case "register":
		registration, err := u.register(ctx, at(1), at(2), at(3), pairs(args[min(4, len(args)):]))
		if err != nil {
			return err
		}
		say(map[string]any{"event": "registered", "registration_id": registration})
		return nil
	case "unregister":
		_, err := u.registry.UnregisterService(ctx, connect.NewRequest(&hostpb.UnregisterServiceRequest{RegistrationId: at(1)}))
		return done("unregistered", err)
	case "health":
		state := hostpb.HealthState(hostpb.HealthState_value["HEALTH_STATE_"+at(1)])
		return done("reported", u.reportHealth(ctx, state, at(2)))
	case "discover":
		return told("discovered", func() (proto.Message, error) { return u.discover(ctx, at(1), at(2)) })
	case "watch":
		return u.watch(ctx, at(1))
	case "capability":
		return told("granted", func() (proto.Message, error) { return u.capability(ctx, at(1), at(2)) })
	default:
		return u.call(ctx, command, at(1), args)
	}
}

func (u *hostUser) capability(ctx context.Context, capability, minVersion string) (proto.Message, error) {
	res, err := u.broker.RequestCapability(ctx, connect.NewRequest(&hostpb.RequestCapabilityRequest{
		CapabilityType: capability, MinVersion: minVersion, Reason: "a test",
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func (u *hostUser) call(ctx context.Context, command, endpoint string, args []string) error {
	rest := args[min(2, len(args)):]
	switch command {
	case "echo":
		for _, text := range rest {
			err := told("echo", func() (proto.Message, error) {
				return u.echo(ctx, endpoint, &echopb.EchoRequest{Text: text})
			})
			if err != nil {
				return err
			}
		}
		return nil
	case "count", "hold":
		to, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		see := func(number int32) { say(map[string]any{"event": "number", "number": number}) }
		return done("end", u.count(ctx, endpoint, &echopb.CountRequest{To: int32(to), Hold: command == "hold"}, see))
	case "gather":
		return told("gathered", func() (proto.Message, error) { return u.gather(ctx, endpoint, rest) })
	}
	return fmt.Errorf("there is no command %q", command)
}

func (u *hostUser) watch(ctx context.Context, serviceType string) error {
	stream, err := u.registry.WatchService(ctx, connect.NewRequest(&hostpb.WatchServiceRequest{ServiceType: serviceType}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		sayMessage("state", stream.Msg())
	}
	return done("end", stream.Err())
}

func done(event string, err error) error {
	if err == nil {
		say(map[string]any{"event": event})
	}
	return err
}

func told(event string, ask func() (proto.Message, error)) error {
	message, err := ask()
	if err == nil {
		sayMessage(event, message)
	}
	return err
}

// rawJSON keeps a message's own JSON inside a line.
type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func sayMessage(event string, message proto.Message) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		text = rawJSON("null")
	}
	say(map[string]any{"event": event, "said": rawJSON(text)})
}
