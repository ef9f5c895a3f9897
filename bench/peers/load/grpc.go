package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// raw carries messages as bytes, so that the generator costs as little as grpc-go allows.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*int) = data.Len()
	return nil
}

func (raw) Name() string { return "proto" }

const connections = 8

// overGRPC gives callers that share connections, each one call at a time.
func overGRPC() []call {
	encoding.RegisterCodecV2(raw{})
	var calls []call
	for range connections {
		conn, err := grpc.NewClient("passthrough:///"+*addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			log.Fatal(err)
		}
		for range callers / connections {
			worker, i := len(calls), 0
			calls = append(calls, func() error {
				i++
				method, in := message(worker, i)
				var size int
				return conn.Invoke(context.Background(), "/api.user.v1.User/"+method, in, &size)
			})
		}
	}
	return calls
}

// message is the method and the request of a call as protobuf.
func message(worker, i int) (string, []byte) {
	switch *kind {
	case "get":
		b := protowire.AppendTag(nil, 1, protowire.VarintType)
		return "GetUser", protowire.AppendVarint(b, uint64(1+rand.Int64N(*users)))
	case "create":
		b := protowire.AppendTag(nil, 1, protowire.BytesType)
		b = protowire.AppendString(b, "Ada Lovelace")
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendString(b, fmt.Sprintf("g%s-%d-%d@example.org", *run, worker, i))
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		return "CreateUser", protowire.AppendString(b, "+44 20 7946")
	default:
		b := protowire.AppendTag(nil, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
		b = protowire.AppendTag(b, 2, protowire.VarintType)
		return "ListUsers", protowire.AppendVarint(b, 20)
	}
}
