package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Counted gives how many calls of a method have ended with a status, by the metrics of the service.
func Counted(ctx context.Context, metrics, method, status string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "rpc_server_call_duration_seconds_count{") {
			continue
		}
		if !strings.Contains(line, fmt.Sprintf("rpc_method=%q", method)) ||
			!strings.Contains(line, fmt.Sprintf("rpc_response_status_code=%q", status)) {
			continue
		}
		count, err := strconv.Atoi(line[strings.LastIndex(line, " ")+1:])
		if err != nil {
			return 0, err
		}
		total += count
	}
	return total, nil
}
