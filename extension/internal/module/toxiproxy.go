package module

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
)

// toxiproxy is the `toxiproxy` export: proxies, plans and direct control.
func (i *instance) toxiproxy() map[string]any {
	return map[string]any{"proxy": i.newProxy, "plan": i.setPlan}
}

// jsProxy is what toxiproxy.proxy returns.
type jsProxy struct {
	Name    string `js:"name"`
	URL     string `js:"url"`     // http://host:port, what requests use in place of the upstream
	Address string `js:"address"` // host:port

	inst *instance
}

// newProxy is toxiproxy.proxy(name, {upstream, listen, …}).
func (i *instance) newProxy(name string, value sobek.Value) *jsProxy {
	rt := i.vu.Runtime()
	config := faults.ProxyConfig{Name: name}
	o := readOptions(rt, fmt.Sprintf("toxiproxy.proxy(%q)", name), value)
	o.str("upstream", &config.Upstream)
	o.str("listen", &config.Listen)
	o.str("caFile", &config.CAFile)
	o.str("clientCert", &config.ClientCert)
	o.str("clientKey", &config.ClientKey)
	o.flag("rewriteLocation", &config.RewriteLocation)
	if err := o.done(); err != nil {
		common.Throw(rt, err)
	}
	if config.Upstream == "" {
		common.Throw(rt, fmt.Errorf("%s must be host:port or https://host[:port], got nothing",
			o.name("upstream")))
	}
	proxy, known, err := i.run.faults.knownProxy(config)
	if err == nil && !known {
		i.initOnly(fmt.Sprintf("toxiproxy.proxy(%q)", name))
		proxy, err = i.run.makeProxy(i.vu.Context(), config)
	}
	if err != nil {
		common.Throw(rt, err)
	}
	return &jsProxy{Name: name, URL: "http://" + proxy.Listen, Address: proxy.Listen, inst: i}
}

// setPlan is toxiproxy.plan(plan): an object, or the text of a plan file.
func (i *instance) setPlan(value sobek.Value) {
	i.initOnly("toxiproxy.plan()")
	rt := i.vu.Runtime()
	text, err := planText(value)
	if err == nil {
		err = i.run.setPlan(i.vu.Context(), text)
	}
	if err != nil {
		common.Throw(rt, err)
	}
}

var errNoPlan = errors.New(
	"toxiproxy.plan must be given a plan object or the text of a plan file, got nothing")

func planText(value sobek.Value) ([]byte, error) {
	if common.IsNullish(value) {
		return nil, errNoPlan
	}
	if text, ok := value.Export().(string); ok {
		return []byte(text), nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("toxiproxy.plan: %w", err)
	}
	return text, nil
}

// jsToxic is what proxy.toxic returns.
type jsToxic struct {
	Name string `js:"name"`

	proxy *jsProxy
	toxic faults.Toxic
}

// Toxic adds a toxic to the proxy, now.
func (p *jsProxy) Toxic(value sobek.Value) *jsToxic {
	toxic := faults.Toxic{Proxy: p.Name}
	if err := p.readToxic(value, &toxic); err != nil {
		p.throw(err)
	}
	if toxic.Name == "" {
		toxic.Name = toxic.Type
	}
	p.throw(p.inst.run.addToxic(p.inst.vu.Context(), toxic))
	return &jsToxic{Name: toxic.Name, proxy: p, toxic: toxic}
}

func (p *jsProxy) readToxic(value sobek.Value, toxic *faults.Toxic) error {
	o := readOptions(p.inst.vu.Runtime(), "toxic", value)
	o.str("type", &toxic.Type)
	o.str("name", &toxic.Name)
	o.str("stream", &toxic.Stream)
	if o.has("toxicity") {
		var toxicity float64
		o.number("toxicity", &toxicity)
		share := float32(toxicity)
		toxic.Toxicity = &share
	}
	if v, ok := o.lookup("attributes"); ok {
		attributes, isObject := v.(map[string]any)
		if !isObject {
			o.fail("attributes", "must be an object", v)
		}
		toxic.Attributes = attributes
	}
	return o.done()
}

// Disable takes the proxy down: connections are closed and refused.
func (p *jsProxy) Disable() { p.control(p.Name, faults.Controller.Disable) }

// Enable brings a disabled proxy up again.
func (p *jsProxy) Enable() { p.control(p.Name, faults.Controller.Enable) }

// control calls the controller of the proxy with one argument.
func (p *jsProxy) control(
	argument string, call func(faults.Controller, context.Context, string) error,
) {
	ctl, err := p.inst.run.faults.existing(p.Name)
	if err == nil {
		err = call(ctl, p.inst.vu.Context(), argument)
	}
	p.throw(err)
}

// Update changes the attributes that are given and keeps the others, while
// traffic runs through the toxic.
func (t *jsToxic) Update(attributes map[string]any) {
	ctl, err := t.proxy.inst.run.faults.existing(t.proxy.Name)
	if err == nil {
		changed := t.toxic
		changed.Attributes = attributes
		err = ctl.UpdateToxic(t.proxy.inst.vu.Context(), changed)
	}
	t.proxy.throw(err)
}

// Remove takes the toxic out while traffic runs through it.
func (t *jsToxic) Remove() {
	t.proxy.control(t.Name, func(
		ctl faults.Controller, ctx context.Context, name string,
	) error {
		return ctl.RemoveToxic(ctx, t.proxy.Name, name)
	})
}

func (p *jsProxy) throw(err error) {
	if err != nil {
		common.Throw(p.inst.vu.Runtime(), err)
	}
}
