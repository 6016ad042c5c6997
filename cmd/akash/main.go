// Command akash is a whole decentralized cloud market in one program.
package main

import (
	"os"

	"github.com/akash-supercloud/akash/cli"
)

func main() { os.Exit(cli.Main()) }
