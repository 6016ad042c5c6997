#!/usr/bin/env bash
# Makes api/ from proto/. The plugins are the `tool` lines of go.mod; protoc is
# Debian's protobuf-compiler. Run by `make proto`; CI fails if the result
# differs from what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

dir() { go list -m -f '{{.Dir}}' "$1"; }
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/" \
	github.com/cosmos/gogoproto/protoc-gen-gocosmos \
	github.com/grpc-ecosystem/grpc-gateway/protoc-gen-grpc-gateway

gogo=$(dir github.com/cosmos/gogoproto)
includes=(
	-I proto
	-I "$(dir github.com/cosmos/cosmos-sdk)/proto"
	-I "$(dir github.com/cosmos/cosmos-proto)/proto"
	-I "$gogo"
	-I "$gogo/protobuf"
	-I "$(dir github.com/grpc-ecosystem/grpc-gateway)/third_party/googleapis"
)
types=Mgoogle/protobuf/any.proto=github.com/cosmos/gogoproto/types/any,Mgoogle/protobuf/empty.proto=github.com/cosmos/gogoproto/types

find api -name '*.pb.go' -o -name '*.pb.gw.go' | xargs -r rm -f
find proto -name '*.proto' | LC_ALL=C sort | xargs -n1 dirname | uniq | while read -r pkg; do
	out=(--gocosmos_out="plugins=interfacetype+grpc,$types,paths=source_relative:api")
	# The chain's REST routes; the provider's own services have no gateway on the chain.
	if grep -q google.api.http "$pkg"/*.proto && ! grep -q google.protobuf.Empty "$pkg"/*.proto; then
		out+=(--grpc-gateway_out="logtostderr=true,$types,allow_colon_final_segments=true,paths=source_relative:api")
	fi
	protoc "${includes[@]}" --plugin="$bin/protoc-gen-gocosmos" --plugin="$bin/protoc-gen-grpc-gateway" \
		"${out[@]}" "$pkg"/*.proto
done
gofmt -w $(find api -name '*.pb.go' -o -name '*.pb.gw.go')
