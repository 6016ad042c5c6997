package sdl_test

import (
	"fmt"

	"github.com/akash-supercloud/akash/sdl"
)

func ExampleParse() {
	s, err := sdl.Parse("deploy.yaml", []byte(base))
	if err != nil {
		fmt.Println(err) // every error, one a line
		return
	}
	fmt.Printf("%d group, hash %x…\n", len(s.Groups()), s.Hash()[:4])

	_, err = sdl.Parse("deploy.yaml", []byte("version: \"2.0\"\nservices:\n  web:\n    image: nginx\n"))
	fmt.Println(err)
	// Output:
	// 1 group, hash e9a33bc2…
	// deploy.yaml:1:1: deployment: nothing is deployed; add deployment: {<service>: {<placement>: {profile: <compute profile>, count: 1}}}
}
