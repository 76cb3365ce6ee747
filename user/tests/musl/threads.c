// SPDX-License-Identifier: BSD-2-Clause
/*
 * pthreads: many threads, a mutex, a condition variable, thread-local data, cancellation by exit,
 * and malloc in all of them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS  2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static long total, turn;
static _Thread_local long mine;

static void *count(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        char *p = malloc((size_t)(i % 300 + 1));
        memset(p, i, (size_t)(i % 300 + 1));
        pthread_mutex_lock(&lock);
        total++;
        pthread_mutex_unlock(&lock);
        mine++;
        free(p);
    }
    errno = (int)(long)arg;
    sched_yield();
    return (void *)(mine == ROUNDS && errno == (int)(long)arg ? 1L : 0L);
}

/* The threads say their numbers in order. */
static void *in_turn(void *arg)
{
    long number = (long)arg;
    for (int round = 0; round < 3; round++) {
        pthread_mutex_lock(&lock);
        while (turn % THREADS != number)
            pthread_cond_wait(&turn_changed, &lock);
        printf("%ld ", number);
        turn++;
        pthread_cond_broadcast(&turn_changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static long run(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    long sum = 0;
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, fn, (void *)i) != 0)
            exit(1);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(t[i], &result);
        sum += (long)result;
    }
    return sum;
}

static void *forever(void *arg)
{
    while (pause() == -1)
        ;
    return arg;
}

int main(void)
{
    pthread_t t;
    printf("good threads: %ld\n", run(count));
    printf("total: %ld\n", total);
    run(in_turn);
    printf("\n");
    pthread_create(&t, NULL, forever, NULL);
    pthread_cancel(t);
    void *result;
    pthread_join(t, &result);
    printf("cancelled: %d\n", result == PTHREAD_CANCELED);
    pthread_create(&t, NULL, forever, NULL);
    return 3;
}
