// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the lexer and the parser make of a script: words of parts, and a tree of commands.
 */
#pragma once

#include <stdbool.h>

struct node;

enum part_kind {
    PART_TEXT,    /* text as it stands */
    PART_PARAM,   /* $name, ${name op arg} */
    PART_COMMAND, /* $(command) */
    PART_ARITH,   /* $((arg)) */
};

enum param_op {
    OP_NONE,
    OP_LENGTH,       /* ${#name} */
    OP_DEFAULT,      /* ${name-arg} */
    OP_ASSIGN,       /* ${name=arg} */
    OP_ERROR,        /* ${name?arg} */
    OP_ALTERNATIVE,  /* ${name+arg} */
    OP_PREFIX,       /* ${name#arg}, ## the longest */
    OP_SUFFIX,       /* ${name%arg}, %% the longest */
};

struct part {
    struct part *next;
    enum part_kind kind;
    bool quoted;      /* neither split nor a pattern */
    char *text;       /* TEXT: the text; PARAM: the name */
    enum param_op op;
    bool colon;       /* ${name:-arg}: empty counts as unset */
    bool longest;
    struct word *arg;
    struct node *command;
};

struct word {
    struct word *next;
    struct part *parts;
};

struct assign {
    struct assign *next;
    char *name;
    struct word *value;
};

enum redir_kind {
    REDIR_IN,       /* <file */
    REDIR_OUT,      /* >file, >|file */
    REDIR_APPEND,   /* >>file */
    REDIR_RDWR,     /* <>file */
    REDIR_DUP,      /* <&fd, >&fd, - closes */
    REDIR_HERE,     /* <<end: target is the text */
};

struct redir {
    struct redir *next;
    enum redir_kind kind;
    int fd;
    struct word *target;
};

struct case_item {
    struct case_item *next;
    struct word *patterns;
    struct node *body; /* or NULL */
};

enum node_kind {
    NODE_SIMPLE,   /* assigns words redirs */
    NODE_PIPE,     /* a | b, where b may be a pipe again */
    NODE_AND,      /* a && b */
    NODE_OR,       /* a || b */
    NODE_NOT,      /* ! a */
    NODE_LIST,     /* a ; b */
    NODE_ASYNC,    /* a & */
    NODE_SUBSHELL, /* ( a ) */
    NODE_GROUP,    /* { a } */
    NODE_IF,       /* if a then b else c */
    NODE_WHILE,    /* while a do b */
    NODE_UNTIL,
    NODE_FOR,      /* for name in words do a; words_given false: in "$@" */
    NODE_CASE,     /* case words in items */
    NODE_FUNCTION, /* name() a, with its own arena */
};

struct node {
    enum node_kind kind;
    struct node *a, *b, *c;
    struct assign *assigns;
    struct word *words;
    struct redir *redirs;
    struct case_item *items;
    char *name;
    bool words_given;
    int line;
};
