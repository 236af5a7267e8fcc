// Package remote has the verbs of package pool for more than one machine. It
// stands on NATS JetStream, which it can embed: the engine is the same in a unit
// test, in one binary and on a cluster.
//
//	resize := remote.NewTask("resize-v1", func(ctx context.Context, in Image) (Thumb, error) { ... },
//		remote.TaskOptions{Lease: 30 * time.Second, Attempts: 5})
//
//	e, err := remote.Embedded(dir)                 // or remote.Connect(url)
//	w, err := remote.Serve(ctx, e, resize, remote.Options{Name: "host-7", Workers: 8})
//	f, err := remote.Submit(ctx, e, resize, image) // here, or in another process
//	thumb, err := f.Get()
//	for thumb, err := range remote.Map(ctx, e, resize, images) { ... }
//
// Most programs need one machine only, and package pool: see docs/guide/machines.md.
//
// # What happens
//
// A task begins at least once, and has one accepted result. It may begin again
// although it was nearly done, or still runs on a machine that was cut off. So its
// effects are to be such that doing them twice does no harm, or they check
// [KeyOf] or [FenceOf].
//
//   - A worker dies in a task: another worker begins the task when the lease ends.
//     A live worker renews its lease at each third of it.
//   - A worker is cut off and goes on: the task's context ends with [ErrLeaseLost],
//     by the worker's own clock, and what it returns is refused.
//   - The function returns an error, panics or calls Goexit: it is called again
//     after Backoff, up to Attempts times, or never if the error is [Permanent].
//   - It fails the last time, or its workers die of it: it becomes a dead letter
//     with its argument, last error and workers, and its future gets a
//     *[DeadError]. [Dead] lists the letters, [Requeue] gives all attempts again.
//   - The context of Submit ends: a task that waits is removed, which makes room at
//     once; the context of one that runs ends with [ErrAbandoned], within a second
//     or two, because its worker is told. The same happens within 15 seconds when
//     the submitting process dies. [Detach] lets the task run on instead.
//   - The queue is full: [Submit] blocks, [TrySubmit] returns [ErrFull].
//   - A [Key] is submitted twice: it is executed once, and both get the result, as
//     long as it waits, runs or is kept. The last submitter to give up ends it.
//   - A worker shuts down: it takes no more, and finishes what runs. When it has no
//     more patience, it cancels that with [ErrShutdown] and gives it back at once;
//     the attempt does not count.
//   - A process dies: each task that ran in it has lost one attempt, also those that
//     ran beside the one that killed it. Give such a task a worker of its own.
//   - The server restarts on its directory: engines connect again and go on. What
//     the server has acknowledged is in its files; a power failure may cost what the
//     operating system had not written, as with any server that does not sync each
//     write.
//   - The disk's quota is full: Submit returns an error. What was accepted stays, and
//     goes on when there is room. A result waits for it, under its lease.
//
// # The protocol
//
// Each task has one record, and the record decides. It is written by
// compare-and-set on the revision that was read. The message in the queue and the
// token in the room only make things happen: either may be late, be there twice, or
// stand for a task that has no record any more.
//
//  1. Submit writes the record, then a token into the room, then the message. The
//     room is a stream of limited length: that is the bound of the queue. Submitters
//     of the same key repeat all three; each step is refused, or harmless, if it was
//     done. So a submitter that dies in between leaves nothing that another lacks.
//     No Nats-Msg-Id is needed for the repetition.
//  2. The server hands the message to a slot of a worker that has asked for one, and
//     to no other until the lease has ended. The lease is the consumer's AckWait.
//  3. The worker claims the task: it writes into the record by which delivery it got
//     the message, its name, and one attempt more. A claim needs a later delivery
//     than that in the record. The revision that the claim has is the fence. After
//     it the worker deletes the token.
//  4. While the function runs the worker renews the lease with an acknowledgement of
//     progress that the server must answer, and looks at the record. The lease
//     counts from when the last answered renewal was sent.
//  5. The worker writes the result only over the record of its own claim: a worker
//     that has lost its lease finds another delivery there. A failure puts the
//     record back to queued, and the message is handed out again after a delay.
//     JetStream's own count of deliveries has no limit and does not matter.
//  6. When the record says that the task is over, whoever holds the message writes
//     the dead letter if there is one, tells the owners, and acknowledges the
//     message. Each may happen twice.
//  7. Who gives up takes its token from the record's owners. The last one deletes the
//     record, and then the message and the token. A worker that finds a message
//     without a record drops it.
//  8. Each engine writes a sign of life every two seconds. If one has been silent for
//     nine seconds, another engine gives up its submissions, as in 7. Servers that
//     have just restarted, and engines that have just woken, first wait as long.
//
// Engines tell each other that a task is over, or given up, by plain messages, which
// may be lost. So an engine also looks at some of its records at each sign of life, and
// at all after a reconnect.
//
// # On the server
//
// All of these can be looked at with the ordinary tools, such as nats stream report
// and nats kv get coterie_tasks. TASK is a task's name, RUN names one execution, ID is
// a hash of the key or else the RUN, ENGINE names an Engine. All streams are kept in
// files. An operator may change limits and replicas of those that exist; the
// package itself changes only what the table gives to the options of a task.
//
//	stream               subjects                     limits, and what it holds
//	coterie_queue_TASK   coterie.queue.TASK.RUN       a work queue, one message for each RUN; refuses new
//	                                                  ones per subject. Arguments of tasks that are not over
//	coterie_room_TASK    coterie.room.TASK.RUN        MaxMsgs is Queue, refuses new ones. Empty messages, one
//	                                                  for each task that no worker has begun
//	KV_coterie_tasks     $KV.coterie_tasks.TASK.ID    one message for each subject. Records; those of tasks
//	                                                  that are over expire after Keep. Deletion is allowed
//	coterie_dead         coterie.dead.TASK.RUN        no limit: letters stay until Requeue, or an operator,
//	                                                  removes them
//	coterie_engines      coterie.engine.ENGINE        one message for each engine: host and process
//
// The one consumer of coterie_queue_TASK is called workers. Its AckWait is Lease, its
// MaxDeliver and MaxAckPending are unlimited, and MaxWaiting is 131,072 requests. The
// subjects coterie.tell.ENGINE are in no stream.
//
// The server needs JetStream of NATS 2.11 or later, for records that expire. A record
// is read from the stream's leader. Messages carry the headers Coterie-Task,
// Coterie-Id, Coterie-Record, Coterie-Room, Coterie-Owners, Coterie-Tell and Coterie-Dead.
package remote
