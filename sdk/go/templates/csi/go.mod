module {{name}}

go 1.24

require orch.dev/sdk v0.0.0

replace orch.dev/sdk => ./sdk/go
