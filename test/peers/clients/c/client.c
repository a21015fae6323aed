// The steps of test/peers/README.md with the C client, as Debian packages it (libnats-dev).
#include <nats/nats.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_COUNT 1000
#define TIMEOUT_MS 10000
#define PREFIX "nats_c"

static char reason[256];

/** Returns from a step when the client reports an error. */
#define TRY(call)                                                              \
    do {                                                                       \
        natsStatus status_ = (call);                                           \
        if (status_ != NATS_OK) {                                              \
            snprintf(reason, sizeof(reason), "%s: %s", #call, natsStatus_GetText(status_)); \
            return 1;                                                          \
        }                                                                      \
    } while (0)

/** Returns from a step when something is not as it should be. */
#define EXPECT(condition)                                                      \
    do {                                                                       \
        if (!(condition)) {                                                    \
            snprintf(reason, sizeof(reason), "not so: %s", #condition);        \
            return 1;                                                          \
        }                                                                      \
    } while (0)

static natsConnection *connection;
static natsOptions *options;
static atomic_int member_count, plain_count, drained_count;
static atomic_bool is_reconnected, is_closed;

/** Waits, some seconds at most, until a condition set by another thread holds. */
#define AWAIT(condition)                                                       \
    for (int waited_ms = 0; !(condition) && waited_ms < TIMEOUT_MS; waited_ms++) usleep(1000)

static void on_reconnected(natsConnection *nc, void *closure) { is_reconnected = true; }
static void on_closed(natsConnection *nc, void *closure) { is_closed = true; }

static void count(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure) {
    atomic_fetch_add((atomic_int *)closure, 1);
    natsMsg_Destroy(msg);
}

static void echo(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure) {
    char reply[64];
    int length = snprintf(reply, sizeof(reply), "re: %.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    natsConnection_Publish(nc, natsMsg_GetReply(msg), reply, length);
    natsMsg_Destroy(msg);
}

static int is_text(natsMsg *msg, const char *text) {
    int length = (int)strlen(text);
    return natsMsg_GetDataLength(msg) == length && memcmp(natsMsg_GetData(msg), text, length) == 0;
}

static int step_connect(const char *url) {
    TRY(natsOptions_Create(&options));
    TRY(natsOptions_SetURL(options, url));
    TRY(natsOptions_SetName(options, PREFIX));
    TRY(natsOptions_SetReconnectWait(options, 50));
    TRY(natsOptions_SetMaxReconnect(options, -1));
    TRY(natsOptions_SetReconnectedCB(options, on_reconnected, NULL));
    TRY(natsOptions_SetClosedCB(options, on_closed, NULL));
    TRY(natsConnection_Connect(&connection, options));
    TRY(natsConnection_Flush(connection));
    return 0;
}

static int step_publish(void) {
    natsSubscription *subscription;
    char text[32], subject[64];
    TRY(natsConnection_SubscribeSync(&subscription, connection, PREFIX ".pub.*"));
    for (int index = 0; index < MESSAGE_COUNT; index++) {
        snprintf(subject, sizeof(subject), PREFIX ".pub.%d", index % 10);
        snprintf(text, sizeof(text), "%d", index);
        TRY(natsConnection_PublishString(connection, subject, text));
    }
    for (int index = 0; index < MESSAGE_COUNT; index++) {
        natsMsg *message;
        TRY(natsSubscription_NextMsg(&message, subscription, TIMEOUT_MS));
        snprintf(text, sizeof(text), "%d", index);
        EXPECT(is_text(message, text));
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(subscription);
    return 0;
}

static int step_request(void) {
    natsSubscription *subscription;
    natsMsg *reply = NULL;
    TRY(natsConnection_Subscribe(&subscription, connection, PREFIX ".echo", echo, NULL));
    TRY(natsConnection_RequestString(&reply, connection, PREFIX ".echo", "hello", TIMEOUT_MS));
    EXPECT(is_text(reply, "re: hello"));
    natsMsg_Destroy(reply);
    EXPECT(natsConnection_RequestString(&reply, connection, PREFIX ".nobody", "", TIMEOUT_MS) == NATS_NO_RESPONDERS);
    natsSubscription_Destroy(subscription);
    return 0;
}

static int step_queue(void) {
    const char *subject = PREFIX ".queue";
    natsSubscription *subscriptions[4];
    for (int member = 0; member < 3; member++) {
        TRY(natsConnection_QueueSubscribe(&subscriptions[member], connection, subject, "workers", count, &member_count));
    }
    TRY(natsConnection_Subscribe(&subscriptions[3], connection, subject, count, &plain_count));
    for (int index = 0; index < MESSAGE_COUNT; index++) TRY(natsConnection_PublishString(connection, subject, ""));
    TRY(natsConnection_Flush(connection));
    AWAIT(member_count >= MESSAGE_COUNT && plain_count >= MESSAGE_COUNT);
    EXPECT(member_count == MESSAGE_COUNT);
    EXPECT(plain_count == MESSAGE_COUNT);
    for (int index = 0; index < 4; index++) natsSubscription_Destroy(subscriptions[index]);
    return 0;
}

static int step_headers(void) {
    natsSubscription *subscription;
    natsMsg *sent, *received;
    const char **values;
    const char *value;
    int value_count;
    TRY(natsConnection_SubscribeSync(&subscription, connection, PREFIX ".headers"));
    TRY(natsMsg_Create(&sent, PREFIX ".headers", NULL, "body", 4));
    TRY(natsMsgHeader_Add(sent, "Midge", "a"));
    TRY(natsMsgHeader_Add(sent, "Midge", "b: c"));
    TRY(natsMsgHeader_Set(sent, "Other", "x"));
    TRY(natsConnection_PublishMsg(connection, sent));
    TRY(natsSubscription_NextMsg(&received, subscription, TIMEOUT_MS));
    TRY(natsMsgHeader_Values(received, "Midge", &values, &value_count));
    EXPECT(value_count == 2);
    EXPECT(strcmp(values[0], "a") == 0);
    EXPECT(strcmp(values[1], "b: c") == 0);
    TRY(natsMsgHeader_Get(received, "Other", &value));
    EXPECT(strcmp(value, "x") == 0);
    EXPECT(is_text(received, "body"));
    free((void *)values);
    natsMsg_Destroy(sent);
    natsMsg_Destroy(received);
    natsSubscription_Destroy(subscription);
    return 0;
}

static int step_unsubscribe(void) {
    natsSubscription *subscription;
    uint64_t pending;
    TRY(natsConnection_SubscribeSync(&subscription, connection, PREFIX ".max"));
    TRY(natsSubscription_AutoUnsubscribe(subscription, 5));
    for (int index = 0; index < 10; index++) TRY(natsConnection_PublishString(connection, PREFIX ".max", ""));
    TRY(natsConnection_Flush(connection));
    TRY(natsSubscription_QueuedMsgs(subscription, &pending));
    EXPECT(pending == 5);
    natsSubscription_Destroy(subscription);
    return 0;
}

static int step_reconnect(void) {
    natsSubscription *subscription;
    natsMsg *message;
    TRY(natsConnection_SubscribeSync(&subscription, connection, PREFIX ".again"));
    TRY(natsConnection_Flush(connection));
    puts("restart the server");
    AWAIT(is_reconnected);
    EXPECT(is_reconnected);
    TRY(natsConnection_PublishString(connection, PREFIX ".again", "back"));
    TRY(natsSubscription_NextMsg(&message, subscription, TIMEOUT_MS));
    EXPECT(is_text(message, "back"));
    natsMsg_Destroy(message);
    natsSubscription_Destroy(subscription);
    return 0;
}

static int step_drain(void) {
    natsSubscription *subscription;
    TRY(natsConnection_Subscribe(&subscription, connection, PREFIX ".drain", count, &drained_count));
    for (int index = 0; index < MESSAGE_COUNT; index++) TRY(natsConnection_PublishString(connection, PREFIX ".drain", ""));
    TRY(natsConnection_Drain(connection));
    AWAIT(is_closed);
    EXPECT(is_closed);
    EXPECT(drained_count == MESSAGE_COUNT);
    natsSubscription_Destroy(subscription);
    return 0;
}

static void report(const char *name, int failed) {
    if (failed) {
        printf("failed %s: %s\n", name, reason);
        exit(1);
    }
    printf("ok %s\n", name);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    report("connect", step_connect(argv[1]));
    report("publish", step_publish());
    report("request", step_request());
    report("queue", step_queue());
    report("headers", step_headers());
    report("unsubscribe", step_unsubscribe());
    report("reconnect", step_reconnect());
    report("drain", step_drain());
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
    nats_Close();
    return 0;
}
