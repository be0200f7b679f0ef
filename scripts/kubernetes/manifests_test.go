package kubernetes

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/grafana/k6-operator/api/v1alpha1"
	"github.com/grafana/k6-operator/pkg/resources/jobs"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// object is one document of a manifest.
type object struct {
	file, kind, name string
	value            any
	document         []byte
}

// blank is an empty value of the type that a document says it is; nil for one
// that nothing here knows.
func blank(kind string) any {
	switch kind {
	case "v1 Namespace":
		return &corev1.Namespace{}
	case "v1 PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}
	case "v1 ConfigMap":
		return &corev1.ConfigMap{}
	case "v1 Service":
		return &corev1.Service{}
	case "v1 ServiceAccount":
		return &corev1.ServiceAccount{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "apps/v1 StatefulSet":
		return &appsv1.StatefulSet{}
	case "batch/v1 Job":
		return &batchv1.Job{}
	case "rbac.authorization.k8s.io/v1 Role":
		return &rbacv1.Role{}
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		return &rbacv1.RoleBinding{}
	case "k6.io/v1alpha1 TestRun":
		return &v1alpha1.TestRun{}
	default:
		return nil
	}
}

// load reads every manifest, strictly: a field that its type does not have is an
// error, as is a name that is there twice.
func load(t *testing.T) map[string]object {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	objects := make(map[string]object)
	for _, file := range files {
		if file == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
			o := parse(t, file, document)
			key := o.kind + " " + o.name
			require.NotContains(t, objects, key)
			objects[key] = o
		}
	}
	require.Len(t, objects, 17)
	return objects
}

func parse(t *testing.T, file string, document []byte) object {
	t.Helper()
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	require.NoError(t, yaml.Unmarshal(document, &head), file)
	o := object{file: file, kind: head.Kind, name: head.Metadata.Name, document: document}
	o.value = blank(head.APIVersion + " " + head.Kind)
	require.NotNil(t, o.value, "%s: %s %s", file, head.APIVersion, head.Kind)
	require.NoError(t, yaml.UnmarshalStrict(document, o.value), "%s: %s", file, o.name)
	if head.Kind != "Namespace" {
		require.Equal(t, "continuity", head.Metadata.Namespace, "%s: %s", file, o.name)
	}
	return o
}

func get[T any](t *testing.T, objects map[string]object, key string) *T {
	t.Helper()
	value, ok := objects[key].value.(*T)
	require.True(t, ok, "there is no %s", key)
	return value
}

// pods are the pod templates of all workloads.
func pods(objects map[string]object) map[string]corev1.PodTemplateSpec {
	out := make(map[string]corev1.PodTemplateSpec)
	for key, o := range objects {
		switch v := o.value.(type) {
		case *appsv1.Deployment:
			out[key] = v.Spec.Template
		case *appsv1.StatefulSet:
			out[key] = v.Spec.Template
		case *batchv1.Job:
			out[key] = v.Spec.Template
		}
	}
	return out
}

// module is the directory of a module of go.mod.
func module(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestTheTestRunFitsItsPublishedSchema(t *testing.T) {
	t.Parallel()
	file := filepath.Join(module(t, "github.com/grafana/k6-operator"), "config/crd/bases/k6.io_testruns.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					OpenAPIV3Schema any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	require.NoError(t, yaml.Unmarshal(text, &crd))
	require.Equal(t, "v1alpha1", crd.Spec.Versions[0].Name)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("testrun.json", crd.Spec.Versions[0].Schema.OpenAPIV3Schema))
	schema, err := compiler.Compile("testrun.json")
	require.NoError(t, err)
	document := load(t)["TestRun checkout"].document
	validate := func(document []byte) error {
		asJSON, err := yaml.YAMLToJSON(document)
		require.NoError(t, err)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		require.NoError(t, err)
		return schema.Validate(value)
	}
	require.NoError(t, validate(document))
	wrong := bytes.Replace(document, []byte("parallelism: 4"), []byte("parallelism: four"), 1)
	require.Error(t, validate(wrong), "the schema can refuse")
}

// TestTheOperatorMakesRunnersOfIt asks the operator's own code for the jobs.
func TestTheOperatorMakesRunnersOfIt(t *testing.T) {
	t.Parallel()
	objects := load(t)
	run := get[v1alpha1.TestRun](t, objects, "TestRun checkout")
	job, err := jobs.NewRunnerJob(run, 2, nil)
	require.NoError(t, err)
	container := job.Spec.Template.Spec.Containers[0]
	command := strings.Join(container.Command, " ")
	assert.Contains(t, command, "k6 run --execution-segment=1/4:2/4")
	for _, part := range []string{
		"--tag testid=checkout-1", "/scripts/checkout.js", "--paused", "--tag instance_id=2",
		"--tag testrun_name=checkout",
	} {
		assert.Contains(t, command, part)
	}
	assert.FileExists(t, filepath.Join("..", "checkout.js"))
	assert.Equal(t, "/results", container.VolumeMounts[len(container.VolumeMounts)-1].MountPath)
	initializer, err := jobs.NewInitializerJob(run, "--tag testid=checkout-1")
	require.NoError(t, err)
	first := initializer.Spec.Template.Spec.Containers[0]
	assert.Equal(t, container.Image, first.Image)
	assert.Equal(t, []string{"sh", "-c"}, first.Command[:2], "the image needs a shell")
	encoded, err := json.Marshal(job)
	require.NoError(t, err)
	assert.NotContains(t, string(encoded), `"privileged":true`)
}

func TestManifestsFitTogether(t *testing.T) {
	t.Parallel()
	objects := load(t)
	for key, pod := range pods(objects) {
		for _, volume := range pod.Spec.Volumes {
			if volume.ConfigMap != nil {
				assert.Contains(t, objects, "ConfigMap "+volume.ConfigMap.Name, key)
			}
			if volume.PersistentVolumeClaim != nil {
				assert.Contains(t, objects, "PersistentVolumeClaim "+volume.PersistentVolumeClaim.ClaimName, key)
			}
		}
		if account := pod.Spec.ServiceAccountName; account != "" {
			assert.Contains(t, objects, "ServiceAccount "+account, key)
		}
		requireSafe(t, key, pod)
	}
	for key, o := range objects {
		if service, ok := o.value.(*corev1.Service); ok {
			requirePods(t, key, service, pods(objects))
		}
	}
	shard := get[appsv1.StatefulSet](t, objects, "StatefulSet shard")
	assert.Contains(t, shard.Spec.Template.Spec.Containers[0].Env,
		corev1.EnvVar{Name: "SHARDS", Value: strconv.Itoa(int(*shard.Spec.Replicas))})
	headless := get[corev1.Service](t, objects, "Service "+shard.Spec.ServiceName)
	assert.Equal(t, corev1.ClusterIPNone, headless.Spec.ClusterIP)
	balancer := get[corev1.ConfigMap](t, objects, "ConfigMap continuity-balancer")
	assert.Contains(t, balancer.Data["collector.yaml"], "service: "+headless.Name+".continuity")
	role := get[rbacv1.Role](t, objects, "Role continuity-balancer")
	assert.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"},
		Verbs: []string{"get", "list", "watch"},
	}}, role.Rules)
	testID := get[v1alpha1.TestRun](t, objects, "TestRun checkout").Spec.Arguments
	merge := get[batchv1.Job](t, objects, "Job merge").Spec.Template.Spec.Containers[0]
	assert.Equal(t, "--tag testid="+merge.Env[0].Value, testID, "merge is told of the test")
}

// requireSafe holds a pod to the restricted profile, without a latest image.
func requireSafe(t *testing.T, key string, pod corev1.PodTemplateSpec) {
	t.Helper()
	require.NotNil(t, pod.Spec.SecurityContext, key)
	assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot, key)
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		assert.Regexp(t, `^registry\.example\.com/continuity-(runner|collector|toxiproxy):\d`, c.Image, key)
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, key)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, key)
		assert.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, key)
		assert.NotEmpty(t, c.Resources.Limits.Memory().String(), key)
	}
}

// requirePods finds the pods of a service by its selector, with its ports.
func requirePods(
	t *testing.T, key string, service *corev1.Service, pods map[string]corev1.PodTemplateSpec,
) {
	t.Helper()
	for _, pod := range pods {
		matches := true
		for name, value := range service.Spec.Selector {
			matches = matches && pod.Labels[name] == value
		}
		if !matches {
			continue
		}
		var names []string
		for _, port := range pod.Spec.Containers[0].Ports {
			names = append(names, port.Name)
		}
		for _, port := range service.Spec.Ports {
			assert.Contains(t, names, port.TargetPort.String(), key)
		}
		return
	}
	assert.Fail(t, "no pod", "for %s", key)
}

func TestTheKustomizationHasEveryManifestButTheTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("kustomization.yaml")
	require.NoError(t, err)
	var k struct {
		Resources []string `json:"resources"`
	}
	require.NoError(t, yaml.Unmarshal(text, &k))
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	assert.ElementsMatch(t, append(k.Resources, "kustomization.yaml", "testrun.yaml", "merge.yaml"), files)
}

// TestTheCollectorsAcceptTheirConfiguration lets the built Collector read what
// the ConfigMaps hold.
func TestTheCollectorsAcceptTheirConfiguration(t *testing.T) {
	t.Parallel()
	collector := os.Getenv("CONTINUITY_COLLECTOR")
	if collector == "" {
		t.Skip("CONTINUITY_COLLECTOR is not set: run `make test-kubernetes`")
	}
	objects := load(t)
	for _, name := range []string{"continuity-shard", "continuity-balancer"} {
		text := get[corev1.ConfigMap](t, objects, "ConfigMap "+name).Data["collector.yaml"]
		file := filepath.Join(t.TempDir(), "collector.yaml")
		validate := func(text string) error {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			cmd := exec.CommandContext(t.Context(), collector, "validate", "--config", file)
			cmd.Env = append(os.Environ(), "INSTANCE=shard-0", "SHARDS=2")
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			return err
		}
		require.NoError(t, validate(text), name)
		require.Error(t, validate(strings.Replace(text, "check_interval", "check_intervall", 1)), name)
	}
}
