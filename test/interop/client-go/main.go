// Follows the configmaps of a namespace with a shared informer, over protobuf, and tells what it sees, a line each. Lines on its
// input make it apply a configmap (`apply NAME VALUE`) or watch from a version (`watch VERSION`).
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// Tells each list, and answers that are no protobuf.
type teller struct{ next http.RoundTripper }

func (t teller) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	isList := request.Method == "GET" && strings.HasSuffix(request.URL.Path, "/configmaps") && query.Get("watch") == ""
	response, err := t.next.RoundTrip(request)
	if err == nil && isList {
		fmt.Println("listed")
	}
	if err == nil && response.StatusCode < 300 && !strings.Contains(response.Header.Get("Content-Type"), "protobuf") {
		fmt.Println("not protobuf:", request.URL.Path, response.Header.Get("Content-Type"))
	}
	return response, err
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		fmt.Println("no config:", err)
		os.Exit(1)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return teller{next} })
	client := kubernetes.NewForConfigOrDie(config)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 10*time.Minute, informers.WithNamespace("default"))
	informer := factory.Core().V1().ConfigMaps().Informer()
	tell := func(what string, object interface{}) {
		if configmap, ok := object.(*corev1.ConfigMap); ok {
			fmt.Println(what, configmap.Name, configmap.Data["key"])
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object interface{}) { tell("added", object) },
		UpdateFunc: func(_, object interface{}) { tell("updated", object) },
		DeleteFunc: func(object interface{}) { tell("deleted", object) },
	})
	if err != nil {
		fmt.Println("no handler:", err)
		os.Exit(1)
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	fmt.Println("synced")

	configmaps := client.CoreV1().ConfigMaps("default")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "apply":
			wanted := apply.ConfigMap(words[1], "default").WithData(map[string]string{"key": words[2]})
			applied, err := configmaps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "program"})
			if apierrors.IsConflict(err) {
				fmt.Println("conflict:", strings.ReplaceAll(err.Error(), "\n", " "))
			} else if err != nil {
				fmt.Println("failed:", err)
			} else {
				fmt.Println("applied", applied.Name, applied.Data["key"])
			}
		case "watch":
			watcher, err := configmaps.Watch(ctx, metav1.ListOptions{ResourceVersion: words[1]})
			if err != nil {
				fmt.Println("failed:", err, apierrors.IsResourceExpired(err))
				continue
			}
			event := <-watcher.ResultChan()
			if event.Type == watch.Error && apierrors.IsResourceExpired(apierrors.FromObject(event.Object)) {
				fmt.Println("expired")
			} else {
				fmt.Println("watched", event.Type)
			}
			watcher.Stop()
		}
	}
}
