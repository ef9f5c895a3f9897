package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"user-service/clients/check"
)

const (
	prefaceBytes = 24
	headBytes    = 9
	framePing    = 6
	frameGoAway  = 7
	flagAck      = 1
)

// wire counts what goes over the connections of one channel.
type wire struct {
	connections, pings, acks, goAways atomic.Int64
	// muted drops what the client sends.
	muted atomic.Bool
}

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	w.connections.Add(1)
	return &watchedConn{Conn: conn, wire: w, sent: frames{skip: prefaceBytes}}, nil
}

type watchedConn struct {
	net.Conn
	wire      *wire
	sent, got frames
}

func (c *watchedConn) Write(bytes []byte) (int, error) {
	if c.wire.muted.Load() {
		return len(bytes), nil
	}
	c.sent.read(bytes, func(kind, flags byte) {
		if kind == framePing && flags&flagAck == 0 {
			c.wire.pings.Add(1)
		}
	})
	return c.Conn.Write(bytes)
}

func (c *watchedConn) Read(bytes []byte) (int, error) {
	count, err := c.Conn.Read(bytes)
	c.got.read(bytes[:count], func(kind, flags byte) {
		switch {
		case kind == frameGoAway:
			c.wire.goAways.Add(1)
		case kind == framePing && flags&flagAck != 0:
			c.wire.acks.Add(1)
		}
	})
	return count, err
}

// frames finds the heads of frames in bytes that come in pieces.
type frames struct {
	skip int
	head []byte
}

func (f *frames) read(bytes []byte, seen func(kind, flags byte)) {
	for _, each := range bytes {
		if f.skip > 0 {
			f.skip--
			continue
		}
		f.head = append(f.head, each)
		if len(f.head) < headBytes {
			continue
		}
		seen(f.head[3], f.head[4])
		f.skip = int(binary.BigEndian.Uint32(f.head) >> 8)
		f.head = nil
	}
}

func pinging(ctx context.Context) error {
	watched := &wire{}
	// 10 s is the least that grpc-go takes.
	every := grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time: 10 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
	})
	conn := connect(first, grpc.WithContextDialer(watched.dial), every)
	defer conn.Close()
	brief, cancel := context.WithTimeout(ctx, 35*time.Second)
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(brief, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	for err == nil {
		_, err = watch.Recv()
	}
	if err := check.Same("the end of the stream", status.Code(err), codes.DeadlineExceeded); err != nil {
		return err
	}
	pings, acks := watched.pings.Load(), watched.acks.Load()
	if pings < 2 || acks < 2 || watched.goAways.Load() > 0 || watched.connections.Load() != 1 {
		return fmt.Errorf("%d pings, %d answers, %d GOAWAY on %d connections",
			pings, acks, watched.goAways.Load(), watched.connections.Load())
	}
	return nil
}
