module orch.dev/sdk

go 1.24
