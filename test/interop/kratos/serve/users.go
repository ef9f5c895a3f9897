// Package serve is a service of users in memory, for servers of any version of Kratos.
package serve

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/emptypb"

	"user-service/interop/gen/user"
)

// firstID is past what a number of JavaScript holds exactly.
const firstID = 1<<53 + 101

// Fail makes an error of one version of Kratos.
type Fail func(code int, reason, message string, metadata map[string]string) error

// Users are the users; the zero value but for fail has none.
type Users struct {
	fail Fail
	mu   sync.Mutex
	all  []*user.GetUserReply
	next int64
}

// New gives an empty service.
func New(fail Fail) *Users { return &Users{fail: fail, next: firstID} }

// Create refuses an address that is taken. A name "status 418" asks for an error of that status.
func (u *Users) Create(_ context.Context, in *user.CreateUserRequest) (*user.CreateUserReply, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if status, ok := strings.CutPrefix(in.Name, "status "); ok {
		code, _ := strconv.Atoi(status)
		return nil, u.fail(code, "ASKED_FOR", "as asked for", map[string]string{"status": status})
	}
	if in.Name == "panic" {
		panic("as asked for")
	}
	for _, each := range u.all {
		if each.Email == in.Email {
			return nil, u.fail(409, "USER_ALREADY_EXISTS", "it is taken", map[string]string{"email": in.Email})
		}
	}
	reply := &user.GetUserReply{Id: u.next, Name: in.Name, Email: in.Email, Phone: in.Phone, CreatedAt: 1700000000}
	u.next++
	u.all = append(u.all, reply)
	return &user.CreateUserReply{Id: reply.Id, Name: reply.Name, Email: reply.Email}, nil
}

func (u *Users) find(id int64) (int, error) {
	for at, each := range u.all {
		if each.Id == id {
			return at, nil
		}
	}
	return 0, u.fail(404, "USER_NOT_FOUND", "there is no such user", map[string]string{"user_id": fmt.Sprint(id)})
}

// Get gives one user.
func (u *Users) Get(_ context.Context, in *user.GetUserRequest) (*user.GetUserReply, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, err := u.find(in.Id)
	if err != nil {
		return nil, err
	}
	return u.all[at], nil
}

// List gives one page, counted from 1.
func (u *Users) List(_ context.Context, in *user.ListUsersRequest) (*user.ListUsersReply, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	begin := min(int(max(in.Page, 1)-1)*int(in.PageSize), len(u.all))
	end := min(begin+int(in.PageSize), len(u.all))
	return &user.ListUsersReply{Users: u.all[begin:end], Total: int32(len(u.all)), NextPageToken: in.PageToken}, nil
}

// Update changes the fields that the mask names.
func (u *Users) Update(_ context.Context, in *user.UpdateUserRequest) (*user.GetUserReply, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, err := u.find(in.Id)
	if err != nil {
		return nil, err
	}
	for _, path := range in.GetUpdateMask().GetPaths() {
		switch path {
		case "name":
			u.all[at].Name = in.User.GetName()
		case "phone":
			u.all[at].Phone = in.User.GetPhone()
		}
	}
	return u.all[at], nil
}

// Delete removes one user.
func (u *Users) Delete(_ context.Context, in *user.DeleteUserRequest) (*emptypb.Empty, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, err := u.find(in.Id)
	if err != nil {
		return nil, err
	}
	u.all = append(u.all[:at], u.all[at+1:]...)
	return &emptypb.Empty{}, nil
}
