package main

import (
	"context"

	"github.com/go-kratos/kratos/v2/transport/http"
	"github.com/go-kratos/kratos/v2/transport/http/binding"
	"google.golang.org/protobuf/types/known/emptypb"

	"user-service/interop/gen/user"
)

// userHTTP makes the calls that a client of protoc-gen-go-http v2 makes for the rules of User: no
// Accept, application/json bodies, fields outside of the path and the body in the query.
type userHTTP struct{ client *http.Client }

func (c userHTTP) invoke(ctx context.Context, operation, method, pattern, path string, body, reply any) error {
	return c.client.Invoke(ctx, method, path, body, reply,
		http.Operation("/api.user.v1.User/"+operation), http.PathTemplate(pattern))
}

func (c userHTTP) create(ctx context.Context, in *user.CreateUserRequest) (*user.CreateUserReply, error) {
	pattern, out := "/v1/users", &user.CreateUserReply{}
	err := c.invoke(ctx, "CreateUser", "POST", pattern, binding.EncodeURL(pattern, in, false), in, out)
	return out, err
}

func (c userHTTP) get(ctx context.Context, in *user.GetUserRequest) (*user.GetUserReply, error) {
	pattern, out := "/v1/users/{id}", &user.GetUserReply{}
	err := c.invoke(ctx, "GetUser", "GET", pattern, binding.EncodeURL(pattern, in, true), nil, out)
	return out, err
}

func (c userHTTP) list(ctx context.Context, in *user.ListUsersRequest) (*user.ListUsersReply, error) {
	pattern, out := "/v1/users", &user.ListUsersReply{}
	err := c.invoke(ctx, "ListUsers", "GET", pattern, binding.EncodeURL(pattern, in, true), nil, out)
	return out, err
}

func (c userHTTP) update(ctx context.Context, in *user.UpdateUserRequest) (*user.GetUserReply, error) {
	pattern, out := "/v1/users/{id}", &user.GetUserReply{}
	err := c.invoke(ctx, "UpdateUser", "PATCH", pattern, binding.EncodeURL(pattern, in, false), in.User, out)
	return out, err
}

func (c userHTTP) remove(ctx context.Context, in *user.DeleteUserRequest) (*emptypb.Empty, error) {
	pattern, out := "/v1/users/{id}", &emptypb.Empty{}
	err := c.invoke(ctx, "DeleteUser", "DELETE", pattern, binding.EncodeURL(pattern, in, true), nil, out)
	return out, err
}
