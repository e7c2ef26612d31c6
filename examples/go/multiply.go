// Multiplies with lines. Usage: go run multiply.go [PORT [A B]]
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	port, a, b := "65432", "5", "10"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if len(os.Args) > 3 {
		a, b = os.Args[2], os.Args[3]
	}
	connection, err := net.Dial("tcp", "localhost:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "%s %s\n", a, b) // one write, on the wire: "5 10\n"
	replies := bufio.NewScanner(connection)  // cuts what arrives into lines
	replies.Scan()
	fmt.Fprintln(os.Stderr, replies.Text()) // Data received
	if !replies.Scan() {
		fmt.Fprintln(os.Stderr, "the connection ended")
		os.Exit(1)
	}
	if strings.HasPrefix(replies.Text(), "Error: ") {
		fmt.Fprintln(os.Stderr, replies.Text())
		os.Exit(1)
	}
	fmt.Println(replies.Text()) // 50.0
}
