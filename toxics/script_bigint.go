package toxics

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"

	"github.com/dop251/goja/token"
)

var errBigPower = errors.New("script must not use ** or << beside BigInt, as one such operation " +
	"can take all memory, got both")

// parseScript parses a script. It refuses one whose operators may make a number of any
// size at once: what they do cannot be bounded as functions can.
func parseScript(source string) (*ast.Program, error) {
	// A source map would be a file, and a script has no access to the machine.
	program, err := goja.Parse("script", source, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, fmt.Errorf("script must compile: %w", err)
	}
	var found operators
	found.look(reflect.ValueOf(program.Body), make(map[reflect.Value]bool))
	if found.big && found.power {
		return nil, errBigPower
	}
	return program, nil
}

// operators is what a script's syntax tree has in it. The tree has no walk of its own.
type operators struct{ big, power bool }

func (o *operators) look(v reflect.Value, seen map[reflect.Value]bool) {
	switch v.Kind() {
	case reflect.Interface:
		o.look(v.Elem(), seen)
	case reflect.Pointer:
		if v.IsNil() || seen[v] {
			return
		}
		seen[v] = true
		o.note(v.Interface())
		if v.Type() != reflect.TypeFor[*big.Int]() {
			o.look(v.Elem(), seen)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanInterface() {
				o.look(field, seen)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			o.look(v.Index(i), seen)
		}
	default: // text, numbers and positions
	}
}

// note looks at one node.
func (o *operators) note(node any) {
	switch node := node.(type) {
	case *big.Int:
		o.big = true
	case *ast.Identifier:
		o.big = o.big || node.Name == "BigInt"
	case *ast.BinaryExpression:
		o.power = o.power || powers(node.Operator)
	case *ast.AssignExpression:
		o.power = o.power || powers(node.Operator)
	}
}

func powers(operator token.Token) bool {
	return operator == token.EXPONENT || operator == token.SHIFT_LEFT
}
