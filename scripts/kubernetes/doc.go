// Package kubernetes holds the manifests of a distributed run and checks them: by
// the types of Kubernetes, by the published schema of the k6-operator's TestRun,
// and by what the operator itself makes of the test. README.md says how to use
// them.
package kubernetes
