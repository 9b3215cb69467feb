// Durable writes to an etcd by concurrent clients: the peer of orch's store benchmark.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	endpoint := flag.String("endpoint", "http://127.0.0.1:2379", "")
	clients := flag.Int("clients", 64, "")
	seconds := flag.Int("seconds", 5, "")
	size := flag.Int("size", 2048, "bytes of a value")
	flag.Parse()

	value := strings.Repeat("x", *size)
	deadline := time.Now().Add(time.Duration(*seconds) * time.Second)
	begin := time.Now()
	var mutex sync.Mutex
	var latencies []int64
	var group sync.WaitGroup
	for c := 0; c < *clients; c++ {
		group.Add(1)
		go func() {
			defer group.Done()
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second})
			if err != nil {
				log.Fatal(err)
			}
			defer client.Close()
			var mine []int64
			for i := 0; time.Now().Before(deadline); i++ {
				start := time.Now()
				if _, err := client.Put(context.Background(), fmt.Sprintf("/bench/%d/%d", c, i), value); err != nil {
					log.Fatal(err)
				}
				mine = append(mine, time.Since(start).Microseconds())
			}
			mutex.Lock()
			latencies = append(latencies, mine...)
			mutex.Unlock()
		}()
	}
	group.Wait()
	elapsed := time.Since(begin).Seconds()
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"backend": "etcd", "clients": *clients,
		"writes_per_second": float64(len(latencies)) / elapsed,
		"p50_us":            latencies[len(latencies)/2],
		"p99_us":            latencies[len(latencies)*99/100],
	})
}
