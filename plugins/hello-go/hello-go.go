// hello-go: a toru plugin with nothing but Go's standard library. Copy it and make it yours.
//
// toru runs an executable file `<plugins>/<anything>.binary` twice: once with `--metadata`, to learn what
// it is, and then as a process of its own, to which it talks in lines of JSON over a Unix socket.
//
//	go build -o /path/to/plugins/hello-go.binary hello-go.go
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What toru shows of the plugin, and where its requests come in: /api/plugins/route/hello-go/... Capabilities are
// only what is really done below. Without any, a plugin is as correct.
const metadata = `{"id": "hello-go", "name": "Hello from Go", "version": "1.0.0", "icon": "🐹", "route": "/hello-go",
 "author": "The toru authors", "description": "An example in Go, by hand.", "protocol": "2", "capabilities": ["ping"]}`

//go:embed view.js
var bundle string

type message struct {
	Type      string          `json:"type"`
	RequestID string          `json:"request_id"`
	Payload   json.RawMessage `json:"payload"`
}

type request struct {
	Method       string            `json:"method"`
	Path         string            `json:"path"`
	Headers      map[string]string `json:"headers"`
	Body         *string           `json:"body"`
	BodyEncoding string            `json:"body_encoding"`
}

type response struct {
	Status       int               `json:"status"`
	Headers      map[string]string `json:"headers"`
	Body         *string           `json:"body"`
	BodyEncoding string            `json:"body_encoding,omitempty"`
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func text(status int, body, kind string) response {
	return response{Status: status, Headers: map[string]string{"content-type": kind}, Body: &body}
}

// answer may take its time: toru sends further requests meanwhile, and answers may come in any order.
func answer(asked request) (answered response) {
	defer func() {
		if failure := recover(); failure != nil { // Or else it ends the process, and all other requests with it.
			log.Printf("%s %s: %v\n%s", asked.Method, asked.Path, failure, debug.Stack())
			answered = text(500, "The plugin failed here; its log says why.\n", "text/plain; charset=utf-8")
		}
	}()
	// What stands behind /api/plugins/route/hello-go, still percent-encoded, with its query.
	path, rest, _ := strings.Cut(asked.Path, "?")
	values, _ := url.ParseQuery(rest)
	query := map[string]string{}
	for name := range values {
		query[name] = values.Get(name)
	}
	switch path {
	case "/":
		return text(200, fmt.Sprintf("Hello, %s, from Go!\n", or(query["name"], "world")), "text/plain; charset=utf-8")
	case "/bundle.js":
		return text(200, bundle, "text/javascript; charset=utf-8")
	case "/request":
		shown, _ := json.Marshal(map[string]any{
			"method": asked.Method, "path": path, "query": query, "headers": asked.Headers, "body": asked.Body,
		})
		return text(200, string(shown)+"\n", "application/json")
	case "/echo":
		// A body that is no UTF-8 text comes in base64, which `body_encoding` says; it goes back the same way.
		kind := or(asked.Headers["content-type"], "application/octet-stream")
		return response{200, map[string]string{"content-type": kind}, asked.Body, asked.BodyEncoding}
	}
	return text(404, fmt.Sprintf("There is nothing at %s\n", path), "text/plain; charset=utf-8")
}

func converse(connection net.Conn, leave func()) {
	defer connection.Close()
	var writing sync.Mutex
	encoder := json.NewEncoder(connection)
	encoder.SetEscapeHTML(false) // Or else a page grows, and a long one does not fit into a message.
	// The id tells toru which request this answers. Encode ends each message with a newline, and leaves none inside.
	reply := func(kind, id string, payload any) {
		writing.Lock()
		defer writing.Unlock()
		// Where the connection is lost toru has answered already, and connects again.
		_ = encoder.Encode(map[string]any{"type": kind, "request_id": id, "payload": payload})
	}
	lines := bufio.NewReader(connection)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var said message
		if err := json.Unmarshal(line, &said); err != nil {
			log.Println("connection closed:", err)
			return
		}
		switch said.Type {
		case "http":
			var asked request
			if err := json.Unmarshal(said.Payload, &asked); err != nil {
				// One bad request fails alone; toru answers it with 502.
				reply("error", said.RequestID, map[string]string{"message": err.Error()})
				continue
			}
			fmt.Println(asked.Method, asked.Path) // What is printed is the plugin's log.
			go func() { reply("http", said.RequestID, answer(asked)) }()
		case "lifecycle":
			// `init`, the first message of a connection, needs no answer, and what is unknown is ignored: newer
			// versions of toru may say more.
			var lifecycle struct{ Action string }
			_ = json.Unmarshal(said.Payload, &lifecycle)
			if lifecycle.Action == "ping" {
				reply("lifecycle", said.RequestID, map[string]string{"action": "pong"})
			} else if lifecycle.Action == "shutdown" {
				leave()
			}
		}
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--metadata" {
		fmt.Println(metadata)
		return
	}
	path := os.Getenv("TORU_PLUGIN_SOCKET")
	leave := func() { _ = os.Remove(path); os.Exit(0) }
	// After five seconds of patience toru sends SIGTERM.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() { <-signals; leave() }()
	// A socket left by a process that was killed: Listen would refuse it.
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	for {
		if connection, err := listener.Accept(); err == nil {
			go converse(connection, leave)
		} else { // Too many open files, for instance: there will be fewer.
			log.Println("cannot take a connection:", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}
