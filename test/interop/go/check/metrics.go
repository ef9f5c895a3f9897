package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Counted gives how many calls of a method have ended with a reason, by the metrics of the service.
// Streams are in no histogram of durations.
func Counted(ctx context.Context, metrics, method, reason string) (int, error) {
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
		if !strings.HasPrefix(line, "server_requests_code_total{") {
			continue
		}
		if !strings.Contains(line, fmt.Sprintf("operation=%q", "/"+method)) ||
			!strings.Contains(line, fmt.Sprintf("reason=%q", reason)) {
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
