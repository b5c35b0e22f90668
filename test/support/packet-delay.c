/*
 * packet-delay QUEUE DELAY_US: holds each packet of a netfilter queue for so long, where the kernel has no netem.
 *
 * The intuition: the kernel keeps the packets and asks for a verdict on each; answering late is the delay. Packets of one
 * queue are asked about in order and all wait equally long, so one answer lets go every packet up to the newest that is due.
 *
 * Put before INPUT, where a packet has left the link's rate limit behind it. It speaks netlink itself, so that a compiler is
 * all it takes (kernel: include/uapi/linux/netfilter/nfnetlink_queue.h). It says "ready" when packets are held, and
 * ends with its parent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Packets held at once, a power of two: a second of the fastest link used here, in full-sized packets. */
#define HELD_MAX (1u << 17)

struct held {
  uint32_t id;
  int64_t due_ns;
};

static struct held held[HELD_MAX];
static uint32_t first, past_last;
static uint16_t queue_number;
static int link_fd;

static int64_t now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000ll + at.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

struct message {
  struct nlmsghdr head;
  struct nfgenmsg generic;
  char attributes[128];
};

static void begin(struct message *message, uint16_t type, uint16_t flags) {
  memset(message, 0, sizeof *message);
  message->head.nlmsg_len = NLMSG_LENGTH(sizeof message->generic);
  message->head.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
  message->head.nlmsg_flags = NLM_F_REQUEST | flags;
  message->generic.version = NFNETLINK_V0;
  message->generic.res_id = htons(queue_number);
}

static void add(struct message *message, uint16_t type, const void *value, uint16_t length) {
  struct nlattr *attribute = (struct nlattr *)((char *)message + NLMSG_ALIGN(message->head.nlmsg_len));
  attribute->nla_type = type;
  attribute->nla_len = NLA_HDRLEN + length;
  memcpy((char *)attribute + NLA_HDRLEN, value, length);
  message->head.nlmsg_len = NLMSG_ALIGN(message->head.nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

static void post(const struct message *message) {
  if (send(link_fd, message, message->head.nlmsg_len, 0) < 0) fail("netlink send");
}

/* Sends a configuring message and waits for the kernel's word on it. */
static void configure(struct message *message, const char *what) {
  char answer[4096];
  post(message);
  for (;;) {
    ssize_t length = recv(link_fd, answer, sizeof answer, 0);
    struct nlmsghdr *head = (struct nlmsghdr *)answer;
    if (length < 0) fail(what);
    if (head->nlmsg_type != NLMSG_ERROR) continue;
    errno = -((struct nlmsgerr *)NLMSG_DATA(head))->error;
    if (errno != 0) fail(what);
    return;
  }
}

static void bind_queue(void) {
  struct message message;
  struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
  struct nfqnl_msg_config_params params = {.copy_range = 0, .copy_mode = NFQNL_COPY_META};
  uint32_t longest = htonl(HELD_MAX), flags = htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN);
  begin(&message, NFQNL_MSG_CONFIG, NLM_F_ACK);
  add(&message, NFQA_CFG_CMD, &bind, sizeof bind);
  configure(&message, "bind the queue");
  begin(&message, NFQNL_MSG_CONFIG, NLM_F_ACK);
  add(&message, NFQA_CFG_PARAMS, &params, sizeof params);
  add(&message, NFQA_CFG_QUEUE_MAXLEN, &longest, sizeof longest);
  add(&message, NFQA_CFG_MASK, &flags, sizeof flags);
  add(&message, NFQA_CFG_FLAGS, &flags, sizeof flags);
  configure(&message, "configure the queue");
}

static void hold(const struct nlmsghdr *head, int64_t due_ns) {
  const char *end = (const char *)head + head->nlmsg_len;
  const char *at = (const char *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  while (at + NLA_HDRLEN <= end) {
    const struct nlattr *attribute = (const struct nlattr *)at;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
      const struct nfqnl_msg_packet_hdr *packet = (const void *)(at + NLA_HDRLEN);
      held[past_last++ % HELD_MAX] = (struct held){ntohl(packet->packet_id), due_ns};
      return;
    }
    if (attribute->nla_len < NLA_HDRLEN) return;
    at += NLA_ALIGN(attribute->nla_len);
  }
}

/* Lets go all that is due. The kernel never holds more than HELD_MAX, so the ring can't overflow. */
static void release_due(void) {
  struct message message;
  uint32_t before = first, last_id = 0;
  int64_t now = now_ns();
  while (first != past_last && held[first % HELD_MAX].due_ns <= now) last_id = held[first++ % HELD_MAX].id;
  if (first == before) return;
  struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT), .id = htonl(last_id)};
  begin(&message, NFQNL_MSG_VERDICT_BATCH, 0);
  add(&message, NFQA_VERDICT_HDR, &verdict, sizeof verdict);
  post(&message);
}

static void receive(int64_t delay_ns) {
  static char bytes[1 << 16];
  for (;;) {
    ssize_t length = recv(link_fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)) return;
    if (length < 0) fail("netlink receive");
    int64_t due_ns = now_ns() + delay_ns;
    int left = (int)length;
    for (struct nlmsghdr *head = (struct nlmsghdr *)bytes; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left))
      if (head->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) hold(head, due_ns);
  }
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: packet-delay QUEUE DELAY_US\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  queue_number = (uint16_t)atoi(arguments[1]);
  int64_t delay_ns = atoll(arguments[2]) * 1000;
  struct sockaddr_nl here = {.nl_family = AF_NETLINK};
  int buffer_bytes = 16 << 20;
  link_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (link_fd < 0 || bind(link_fd, (struct sockaddr *)&here, sizeof here) < 0) fail("netlink socket");
  setsockopt(link_fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
  bind_queue();
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct pollfd readable = {.fd = link_fd, .events = POLLIN};
    struct timespec wait, *until = NULL;
    if (first != past_last) {
      int64_t left_ns = held[first % HELD_MAX].due_ns - now_ns();
      if (left_ns < 0) left_ns = 0;
      wait = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
      until = &wait;
    }
    if (ppoll(&readable, 1, until, NULL) < 0 && errno != EINTR) fail("poll");
    receive(delay_ns);
    release_due();
  }
}
