package main

import (
	"context"

	"github.com/go-kratos/kratos/v3/transport/http"
	"google.golang.org/protobuf/types/known/emptypb"

	"user-service/interop/gen/user"
)

// userHTTP makes the calls that a client of protoc-gen-go-http v3 makes for the rules of User: both
// Accept and Content-Type are application/protojson, and an answer of another type is read as Go's own
// JSON, which is not protobuf's.
type userHTTP struct{ client *http.Client }

func (c userHTTP) invoke(ctx context.Context, operation, method, pattern, path string, body, reply any) error {
	options := []http.CallOption{
		http.Accept("application/protojson"),
		http.Operation("/api.user.v1.User/" + operation),
		http.PathTemplate(pattern),
	}
	if body != nil {
		options = append(options, http.ContentType("application/protojson"))
	}
	return c.client.Invoke(ctx, method, path, body, reply, options...)
}

func (c userHTTP) create(ctx context.Context, in *user.CreateUserRequest) (*user.CreateUserReply, error) {
	pattern, out := "/v1/users", &user.CreateUserReply{}
	err := c.invoke(ctx, "CreateUser", "POST", pattern, http.BuildPath(pattern, in), in, out)
	return out, err
}

func (c userHTTP) get(ctx context.Context, in *user.GetUserRequest) (*user.GetUserReply, error) {
	pattern, out := "/v1/users/{id}", &user.GetUserReply{}
	err := c.invoke(ctx, "GetUser", "GET", pattern, http.BuildPath(pattern, in, http.WithQueryParams()), nil, out)
	return out, err
}

func (c userHTTP) list(ctx context.Context, in *user.ListUsersRequest) (*user.ListUsersReply, error) {
	pattern, out := "/v1/users", &user.ListUsersReply{}
	err := c.invoke(ctx, "ListUsers", "GET", pattern, http.BuildPath(pattern, in, http.WithQueryParams()), nil, out)
	return out, err
}

func (c userHTTP) update(ctx context.Context, in *user.UpdateUserRequest) (*user.GetUserReply, error) {
	pattern, out := "/v1/users/{id}", &user.GetUserReply{}
	path := http.BuildPath(pattern, in, http.WithQueryParams(), http.WithOmitFields("user"))
	err := c.invoke(ctx, "UpdateUser", "PATCH", pattern, path, in.User, out)
	return out, err
}

func (c userHTTP) remove(ctx context.Context, in *user.DeleteUserRequest) (*emptypb.Empty, error) {
	pattern, out := "/v1/users/{id}", &emptypb.Empty{}
	err := c.invoke(ctx, "DeleteUser", "DELETE", pattern, http.BuildPath(pattern, in, http.WithQueryParams()), nil, out)
	return out, err
}
