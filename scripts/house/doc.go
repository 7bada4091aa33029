// Package house holds the rules of the house as a Go test: which rooms there
// are, who may know whom, where each foreign library lives, how long a function
// may grow, and what a pure room must not touch. It reads source only; it never
// builds, runs or changes anything.
//
// A rule is a function from a parsed house to its problems. TestHouse runs them
// over this module, TestRulesBite over tiny bad sources that prove each one can
// fail. To allow something new, add one line with its reason to plan_test.go or
// libraries_test.go.
package house
