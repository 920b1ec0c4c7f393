package up

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/command"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// environment is a container's variables, with those that the kubelet fills in.
type environment map[string]string

// readEnvironment fills in the names and keys that a container's variables refer to.
func readEnvironment(ctx context.Context, api kubernetes.Interface, object metav1.ObjectMeta, container corev1.Container) (environment, error) {
	env := environment{}
	for _, variable := range container.Env {
		value, found, err := resolve(ctx, api, object, variable)
		if err != nil {
			return nil, fmt.Errorf("reading the environment of container %s: %w", container.Name, err)
		}
		if found {
			env[variable.Name] = value
		}
	}
	return env, nil
}

func resolve(ctx context.Context, api kubernetes.Interface, object metav1.ObjectMeta, variable corev1.EnvVar) (value string, found bool, err error) {
	from := variable.ValueFrom
	switch {
	case from == nil:
		return variable.Value, true, nil
	case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
		return object.Name, true, nil
	case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
		return object.Namespace, true, nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		keys, err := api.CoreV1().Secrets(object.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		key, there := keys.Data[ref.Key]
		if !there && (ref.Optional == nil || !*ref.Optional) {
			return "", false, fmt.Errorf("secret %s has no entry %s", ref.Name, ref.Key)
		}
		return string(key), there, nil
	}
	return "", false, fmt.Errorf("variable %s comes from where nothing is known of", variable.Name)
}

func (e environment) get(name string) string { return e[name] }

// names are those of the release's objects, as shepherd's containers are told them.
func (e environment) names() kube.Names {
	set := e["SHEPHERD_STATEFULSET"]
	return kube.Names{Namespace: e["SHEPHERD_NAMESPACE"], StatefulSet: set, Lease: cmp.Or(e["SHEPHERD_LEASE"], set+"-stop")}
}

// dialer leads from the names of pods to where their servers listen on this machine. "localhost" is the own pod, whose ordinal is given.
func (p ports) dialer(own int) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, text, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		ordinal := own
		if host != "localhost" {
			pod, _, _ := strings.Cut(host, ".")
			if ordinal = (kube.Names{StatefulSet: statefulSet}).Ordinal(pod); ordinal < 0 {
				return nil, fmt.Errorf("there is no pod %s here", pod)
			}
		}
		return command.Dial(ctx, network, loopback(p.rest(ordinal)+port-DefaultPort))
	}
}

// as is access with the rights of a pod's account, which are the chart's roles and nothing more.
func as(config *rest.Config, pod corev1.PodSpec) (kubernetes.Interface, error) {
	config = rest.CopyConfig(config)
	config.Impersonate.UserName = fmt.Sprintf("system:serviceaccount:%s:%s", namespace, pod.ServiceAccountName)
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reaching Kubernetes as %s: %w", pod.ServiceAccountName, err)
	}
	return api, nil
}

// runShepherd is shepherd as a container runs it, with its names and addresses led to this machine.
func runShepherd(ctx context.Context, api kubernetes.Interface, env environment, dial func(context.Context, string, string) (net.Conn, error),
	out, err io.Writer, arguments ...string,
) int {
	return command.Run(ctx, "up", arguments, command.Process{
		Env: env.get, In: strings.NewReader(""), Out: out, Err: err, Dial: dial,
		Connect: func() (kubernetes.Interface, error) { return api, nil },
	})
}

// Shepherd runs a command of shepherd's against what is up in the local world, such as status. What it returns is an exit code.
func Shepherd(ctx context.Context, settings Settings, arguments []string, out, problems io.Writer) (int, error) {
	state, err := settings.state()
	if err != nil {
		return 0, fmt.Errorf("nothing is up in %s", settings.Directory)
	}
	if state.World != inLocal || state.Server == "" {
		return 0, fmt.Errorf("shepherd does not run outside of pods in %s", state)
	}
	config, err := access(settings.kubeconfig())
	if err != nil {
		return 0, err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, fmt.Errorf("reaching Kubernetes: %w", err)
	}
	tend, err := api.AppsV1().Deployments(namespace).Get(ctx, deployment, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("reading deployment %s: %w", deployment, err)
	}
	env, err := readEnvironment(ctx, api, tend.ObjectMeta, tend.Spec.Template.Spec.Containers[0])
	if err != nil {
		return 0, err
	}
	account, err := as(config, tend.Spec.Template.Spec)
	if err != nil {
		return 0, err
	}
	return runShepherd(ctx, account, env, ports{state.Port}.dialer(-1), out, problems, arguments...), nil
}
