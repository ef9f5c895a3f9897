// Package check says what a Kratos client must see of this service, whatever its version and transport.
package check

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"user-service/interop/gen/user"
)

// Limit is what one call may take, more than on a busy machine.
const Limit = 10 * time.Second

// Users are the calls of one client.
type Users struct {
	// Name of the client, such as "kratos v2 over HTTP".
	Name   string
	Create func(context.Context, *user.CreateUserRequest) (*user.CreateUserReply, error)
	Get    func(context.Context, *user.GetUserRequest) (*user.GetUserReply, error)
	List   func(context.Context, *user.ListUsersRequest) (*user.ListUsersReply, error)
	Update func(context.Context, *user.UpdateUserRequest) (*user.GetUserReply, error)
	Delete func(context.Context, *user.DeleteUserRequest) (*emptypb.Empty, error)
}

// Failure is an error as that version's errors.FromError reads it.
type Failure struct {
	Code     int32
	Reason   string
	Message  string
	Metadata map[string]string
}

// run is one walk through the calls; it ends at the first thing that is not as it should be.
type run struct {
	users Users
	read  func(error) Failure
	mail  string
	id    int64
}

// All runs every check with every client and ends the process with 1 if one failed.
func All(read func(error) Failure, clients ...Users) {
	failed := 0
	for number, users := range clients {
		r := &run{users: users, read: read, mail: fmt.Sprintf("ada-%d-%d@example.org", os.Getpid(), number)}
		for _, step := range steps {
			ctx, cancel := context.WithTimeout(context.Background(), Limit)
			err := step.check(ctx, r)
			cancel()
			if err != nil {
				failed++
				fmt.Printf("FAIL %s: %s: %v\n", users.Name, step.title, err)
				break
			}
			fmt.Printf("ok   %s: %s\n", users.Name, step.title)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

var steps = []struct {
	title string
	check func(context.Context, *run) error
}{
	{"creates a user", create},
	{"gets it", get},
	{"lists it by pages", list},
	{"changes what its mask names", update},
	{"is told who is missing", missing},
	{"is told whose address is taken", taken},
	{"is told each field that is wrong", invalid},
	{"deletes it", remove},
}

func create(ctx context.Context, r *run) error {
	reply, err := r.users.Create(ctx, &user.CreateUserRequest{Name: "Ada Lovelace", Email: r.mail, Phone: "+44 1"})
	if err != nil {
		return err
	}
	r.id = reply.Id
	if reply.Id == 0 || reply.Name != "Ada Lovelace" || reply.Email != r.mail {
		return fmt.Errorf("the reply is %v", reply)
	}
	return nil
}

func get(ctx context.Context, r *run) error {
	reply, err := r.users.Get(ctx, &user.GetUserRequest{Id: r.id})
	if err != nil {
		return err
	}
	age := time.Since(time.Unix(reply.CreatedAt, 0))
	if reply.Id != r.id || reply.Email != r.mail || reply.Phone != "+44 1" || age < -time.Minute || age > time.Hour {
		return fmt.Errorf("the reply is %v", reply)
	}
	return nil
}

func list(ctx context.Context, r *run) error {
	request := &user.ListUsersRequest{PageSize: 1}
	for page := 0; page < 100; page++ {
		reply, err := r.users.List(ctx, request)
		if err != nil {
			return err
		}
		if len(reply.Users) != 1 || reply.Total < 1 {
			return fmt.Errorf("a page of one is %v", reply)
		}
		if reply.Users[0].Id == r.id {
			return nil
		}
		request.PageToken = reply.NextPageToken
	}
	return fmt.Errorf("user %d is on no page", r.id)
}

func update(ctx context.Context, r *run) error {
	name, ignored := "Ada King", "nobody@example.org"
	reply, err := r.users.Update(ctx, &user.UpdateUserRequest{
		Id:         r.id,
		User:       &user.UserFields{Name: &name, Email: &ignored},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
	})
	if err != nil {
		return err
	}
	if reply.Name != name || reply.Email != r.mail {
		return fmt.Errorf("the reply is %v", reply)
	}
	return nil
}

func missing(ctx context.Context, r *run) error {
	_, err := r.users.Get(ctx, &user.GetUserRequest{Id: 1 << 62})
	return r.expect(err, Failure{404, "USER_NOT_FOUND", "", map[string]string{"user_id": fmt.Sprint(int64(1) << 62)}})
}

func taken(ctx context.Context, r *run) error {
	_, err := r.users.Create(ctx, &user.CreateUserRequest{Name: "Ada", Email: r.mail})
	return r.expect(err, Failure{409, "USER_ALREADY_EXISTS", "", map[string]string{"email": r.mail}})
}

func invalid(ctx context.Context, r *run) error {
	_, err := r.users.Create(ctx, &user.CreateUserRequest{Name: " ", Email: "nobody"})
	return r.expect(err, Failure{400, "INVALID_USER_INPUT", "", map[string]string{
		"name":  "must have 1 to 100 characters after trimming",
		"email": "must be a valid email address",
	}})
}

func remove(ctx context.Context, r *run) error {
	if _, err := r.users.Delete(ctx, &user.DeleteUserRequest{Id: r.id}); err != nil {
		return err
	}
	_, err := r.users.Get(ctx, &user.GetUserRequest{Id: r.id})
	return r.expect(err, Failure{404, "USER_NOT_FOUND", "", map[string]string{"user_id": fmt.Sprint(r.id)}})
}

// expect compares all but the message, which is for people and must only be there.
func (r *run) expect(err error, want Failure) error {
	if err == nil {
		return fmt.Errorf("there is no error, but %d %s is expected", want.Code, want.Reason)
	}
	got := r.read(err)
	same := got.Code == want.Code && got.Reason == want.Reason && got.Message != "" && len(got.Metadata) == len(want.Metadata)
	for key, value := range want.Metadata {
		same = same && got.Metadata[key] == value
	}
	if !same {
		return fmt.Errorf("the error is %+v, not %+v", got, want)
	}
	return nil
}
