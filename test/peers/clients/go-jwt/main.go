// Says what nats-io/jwt and nats-io/nkeys make of what Midge wrote. Reads a request a line from stdin,
// JSON, and answers each with a line of JSON; jwt_suite.ts asks.
package main

import (
	"bufio"
	"crypto/sha512"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// One of the three: a token to decode, with a seed a creds file to write, or a sealed message to open.
type request struct {
	Token  string `json:"token"`
	Seed   string `json:"seed"`
	Sealed []byte `json:"sealed"`
	Sender string `json:"sender"`
}

type issue struct {
	Text        string `json:"text"`
	IsBlocking  bool   `json:"isBlocking"`
	IsTimeCheck bool   `json:"isTimeCheck"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	Type  string `json:"type,omitempty"`
	// The claims, encoded again: equal to the token's payload if nothing was lost.
	Payload string `json:"payload,omitempty"`
	// What the id must be.
	ID           string  `json:"id,omitempty"`
	Issues       []issue `json:"issues,omitempty"`
	GenericError string  `json:"genericError,omitempty"`
	Creds        string  `json:"creds,omitempty"`
	Opened       []byte  `json:"opened,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8*1024*1024)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "client-go-jwt:", err)
			os.Exit(1)
		}
		answers.Encode(serve(asked))
	}
}

func serve(asked request) answer {
	switch {
	case asked.Sealed != nil:
		return open(asked)
	case asked.Seed != "":
		return formatCreds(asked)
	default:
		return decode(asked.Token)
	}
}

func open(asked request) answer {
	key, err := nkeys.FromCurveSeed([]byte(asked.Seed))
	if err != nil {
		return answer{Error: err.Error()}
	}
	opened, err := key.Open(asked.Sealed, asked.Sender)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Opened: opened}
}

func formatCreds(asked request) answer {
	creds, err := jwt.FormatUserConfig(asked.Token, []byte(asked.Seed))
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Creds: string(creds)}
}

func decode(token string) answer {
	var found answer
	if _, err := jwt.DecodeGeneric(token); err != nil {
		found.GenericError = err.Error()
	}
	claims, err := jwt.Decode(token)
	if err != nil {
		found.Error = err.Error()
		return found
	}
	found.Type = string(claims.ClaimType())
	payload, err := json.Marshal(claims)
	if err != nil {
		found.Error = "cannot be encoded again: " + err.Error()
		return found
	}
	found.Payload = string(payload)
	found.ID = hash(*claims.Claims())

	results := jwt.CreateValidationResults()
	claims.Validate(results)
	for _, one := range results.Issues {
		found.Issues = append(found.Issues, issue{one.Description, one.Blocking, one.TimeCheck})
	}
	return found
}

func hash(data jwt.ClaimsData) string {
	data.ID = ""
	text, _ := json.Marshal(data)
	sum := sha512.Sum512_256(text)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
}
