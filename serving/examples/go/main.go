// Asks `complete_cart` of a served shop over REST and prints the offered items. Needs the standard library alone.
//
//	go run . localhost:8501 85123A,71053
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

const deadline = time.Second

// One client for the life of the program: it keeps connections open, and goroutines share it.
var client = &http.Client{Timeout: deadline}

// Texts, or the words that are no JSON: the score behind the end of a short row is -Infinity.
var textOrWord = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?Infinity|NaN`)

type answer struct {
	Outputs struct {
		ItemIDs       [][]string   `json:"item_ids"`
		Scores        [][]*float64 `json:"scores"` // nil behind the end
		Prices        [][]float64  `json:"prices"`
		Reasons       [][]string   `json:"reasons"`
		ReasonItemIDs [][]string   `json:"reason_item_ids"`
	} `json:"outputs"`
}

func completeCart(target string, defaults []byte, cart []string) (*answer, error) {
	// REST takes no request that leaves an input out.
	var whole struct {
		SignatureName string         `json:"signature_name"`
		Inputs        map[string]any `json:"inputs"`
	}
	if err := json.Unmarshal(defaults, &whole); err != nil {
		return nil, err
	}
	// Each list begins with the padding value "": TF Serving with batching widens lists by their first element.
	whole.Inputs["cart_item_ids"] = [][]string{append([]string{""}, cart...)}
	whole.Inputs["k"] = []int{5}
	request, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	response, err := client.Post("http://"+target+"/v1/models/shop:predict", "application/json", bytes.NewReader(request))
	if err != nil {
		return nil, err // no connection, or no answer in time
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		// 404, 429, 503, 504: show the shop's own list. 400: the request is wrong.
		return nil, fmt.Errorf("%s: %s", response.Status, body)
	}
	body = textOrWord.ReplaceAllFunc(body, func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		return []byte("null")
	})
	var read answer
	return &read, json.Unmarshal(body, &read)
}

func main() {
	target, cart := "localhost:8501", []string{}
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	if len(os.Args) > 2 {
		cart = strings.Split(os.Args[2], ",")
	}
	defaults, err := os.ReadFile("../requests/complete_cart.json")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	read, err := completeCart(target, defaults, cart)
	if err != nil {
		fmt.Fprintln(os.Stderr, "no offers:", err)
		os.Exit(1)
	}
	of := read.Outputs
	for place, item := range of.ItemIDs[0] {
		if item == "" {
			break // behind the end of a short row
		}
		fmt.Printf("%s\t%.4f\t%.2f\t%s\t%s\n",
			item, *of.Scores[0][place], of.Prices[0][place], of.Reasons[0][place], of.ReasonItemIDs[0][place])
	}
}
