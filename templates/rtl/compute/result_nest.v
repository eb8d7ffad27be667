// result_nest: what belongs to each result - parameter slots, modes and stream addresses.
//
// Instructions wait in a queue (LUT RAM) from their issue until their first result is announced;
// the oldest stands ready in registers (n_*); behind it the current one (c_*) enumerates its
// results (levels 2 and 3).
//
//   step in cycle t   a result was announced; the order of the results moves on
//   cycle t + 1       r_* still belong to that result: a beat announced in t uses those of t + 1
//   cycle t + 2       r_* belong to the next result
//
// Instructions without results (SET, partial XNOR) have ended when they are pushed; they only keep
// their place in order, and retire with the instruction before them, or by themselves when its
// results are all announced.
//
//   q = q_base + (i2 & q_mask), cm2 = (i2 & cm_mask) cm_s2 (cm_mask = 2**k - 1)
//   retire: how many instructions end: with the last result of one, itself and those without
//   results behind it
//
// Names: p_* the instruction that is pushed; c_*_q the current one, d_*_q the same one cycle later,
// when its r_* are there; r_* the result (r_q: its slot of QM). v: i2 & cm_mask, cm: r_cm;
// *_phase_q: of the first result of the phase; *_x, *_1: behind a step by xd, by 1. *_go: the
// step that a stream takes, one cycle after the order.
// `push` in cycle t -> a step of it in t + 3 at the earliest. The first step of an instruction
// comes two cycles after the last one of the one before, or later. One result per cycle.
// Reset: control only.
// Cost: about 830 LUTs, 280 of them RAM, 1,270 flip-flops.
`default_nettype none
module result_nest #(
    parameter QUEUE = 4     // instructions that wait, without the oldest: a power of two <= 16
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        push,
    output wire        full,
    input  wire        p_none,      // no results
    input  wire        p_xnor,
    input  wire        p_att,
    input  wire        p_macs,
    input  wire        p_stat,
    input  wire        p_apply,
    input  wire [11:0] p_n2,
    input  wire [11:0] p_n3,
    input  wire [2:0]  p_xd,
    input  wire [2:0]  p_last_phase,  // phase_count of n2, xd
    input  wire        p_one_x,
    input  wire        p_one_phase,
    input  wire        p_one_row,     // n3 = 1
    input  wire [7:0]  p_cm_base,
    input  wire [7:0]  p_cm_mask,
    input  wire [7:0]  p_cm_x,      // step of (i2 & cm_mask) cm_s2 when i2 grows by xd,
    input  wire [7:0]  p_cm_1,      //   .. by 1,
    input  wire [7:0]  p_cm_wrap,   //   .. and what it loses when the masked value wraps
    input  wire [7:0]  p_om_base,
    input  wire [5:0]  p_q_base,
    input  wire [5:0]  p_q_mask,
    input  wire [57:0] p_pre,       // {x2, s3, s2, base, mem, en}
    input  wire [57:0] p_mid,
    input  wire [57:0] p_out,
    input  wire [57:0] p_dst,
    input  wire [64:0] p_bit,       // {x2, s3, s2, base, en}
    input  wire [20:0] p_modes,
    input  wire [4:0]  p_pool,      // {pool_pos, pool}
    input  wire        step,
    output wire [2:0]  retire,
    output wire        front_done,  // last result of an XNOR or ATT instruction
    output wire        r_xnor,
    output wire        r_att,
    output wire        r_macs,
    output wire        r_apply,
    output wire [7:0]  r_cm,        // XNOR, ATT: the slot; MACV: without levels 0, 1 and cm_base
    output wire [7:0]  r_om_base,
    output wire [5:0]  r_q,
    output wire [20:0] r_modes,
    output wire [1:0]  r_pool,
    output wire        r_pre_en,
    output wire        r_mid_en,
    output wire        r_out_en,
    output wire [14:0] r_pre,       // {mem, addr}
    output wire [14:0] r_mid,
    output wire [14:0] r_out,
    output wire        r_dst_en,
    output wire [14:0] r_dst,
    output wire [7:0]  r_dst_mask,  // lane groups to write
    output wire        r_bit_en,
    output wire [15:0] r_bit
);
    localparam AW = $clog2(QUEUE);
    localparam ENTRY = 6 + 32 + 5*8 + 9 + 12 + 4*58 + 65 + 21 + 5;

    generate
        if (QUEUE < 4 || QUEUE > 16 || (1 << AW) != QUEUE) begin : gen_guard_queue
            ERROR_result_nest_QUEUE_must_be_4_8_or_16 u_stop ();
        end
    endgenerate

    // ---- queue, and the oldest instruction behind it
    (* ram_style = "distributed" *)
    reg  [ENTRY-1:0] queue_q [0:QUEUE-1];
    reg  [AW-1:0]    write_q;
    reg  [AW-1:0]    read_q;
    reg  [AW:0]      count_q;       // in the queue
    reg              waits_q;       // count_q != 0
    reg              full_q;
    reg              next_q;        // n_* is valid
    reg              some_q;        // .. and has results
    reg  [ENTRY-1:0] n_q;
    reg              current_q;
    reg  [2:0]       after_q;       // without results, behind the current one, not yet retired

    wire             retire_c;      // the current one ends
    wire             n_none;
    wire             pop = some_q && !current_q;
    wire             some_d, current_d;
    wire             some_c, current_c;  // copies for what a pop loads
    wire             pop_c = some_c && !current_c;

    register_copy #(.WIDTH(2)) u_pop (
        .clk(clk), .d({some_d && !rst, current_d && !rst}), .q({some_c, current_c})
    );

    wire             mark = next_q && n_none && after_q != 3'd6;
    wire [2:0]       after_more = after_q + {2'd0, mark};
    wire             refill = waits_q && (!next_q || pop || mark);
    wire [ENTRY-1:0] oldest = queue_q[read_q];
    assign some_d = refill ? !oldest[ENTRY-1] : some_q && !pop;
    assign current_d = pop || (current_q && !retire_c);
    // with refill, the later one, chosen last
    wire [AW:0]      pushed = count_q + {{AW{1'b0}}, push};
    wire [AW:0]      taken = count_q - {{AW{1'b0}}, !push};

    wire             n_xnor, n_att, n_macs, n_stat, n_apply;
    wire [11:0]      n_n2, n_n3;
    wire [2:0]       n_xd, n_last_phase;
    wire             n_one_x, n_one_phase, n_one_row;
    wire [7:0]       n_cm_base, n_cm_mask, n_cm_x, n_cm_1, n_cm_wrap, n_om_base;
    wire [5:0]       n_q_base, n_q_mask;
    wire [57:0]      n_pre, n_mid, n_out, n_dst;
    wire [64:0]      n_bit;
    wire [20:0]      n_modes;
    wire [4:0]       n_pool;

    assign {n_none, n_xnor, n_att, n_macs, n_stat, n_apply, n_n2, n_n3, n_xd,
        n_last_phase, n_one_x, n_one_phase, n_one_row, n_cm_base, n_cm_mask,
        n_cm_x, n_cm_1, n_cm_wrap, n_om_base, n_q_base, n_q_mask,
        n_pre, n_mid, n_out, n_dst, n_bit, n_modes, n_pool} = n_q;

    always @(posedge clk) begin
        if (push)
            queue_q[write_q] <= {
                p_none, p_xnor, p_att, p_macs, p_stat, p_apply, p_n2, p_n3, p_xd,
                p_last_phase, p_one_x, p_one_phase, p_one_row,
                p_cm_base, p_cm_mask, p_cm_x, p_cm_1, p_cm_wrap, p_om_base,
                p_q_base, p_q_mask, p_pre, p_mid, p_out, p_dst, p_bit, p_modes, p_pool};
        write_q <= write_q + {{AW-1{1'b0}}, push};
        read_q <= read_q + {{AW-1{1'b0}}, refill};
        if (refill) n_q <= oldest;
        some_q <= some_d;
        count_q <= refill ? taken : pushed;
        waits_q <= refill ? taken != {AW+1{1'b0}} : pushed != {AW+1{1'b0}};
        full_q <= !refill && pushed == QUEUE[AW:0];
        next_q <= refill || (next_q && !pop && !mark);
        current_q <= current_d;
        after_q <= retire_c || !current_q ? {2'd0, mark} : after_more;
        if (rst) begin
            after_q <= 3'd0;
            write_q <= {AW{1'b0}};
            read_q <= {AW{1'b0}};
            count_q <= {AW+1{1'b0}};
            waits_q <= 1'b0;
            full_q <= 1'b0;
            next_q <= 1'b0;
            some_q <= 1'b0;
            current_q <= 1'b0;
        end
    end

    // ---- order of the current instruction's results
    reg         c_xnor_q, c_att_q;
    wire [11:0] i2;
    wire        step_x, step_phase, step_row, done, done_next;

    result_order u_order (
        .clk(clk),
        .load(pop),
        .n2(n_n2),
        .n3(n_n3),
        .xd(n_xd),
        .last_phase(n_last_phase),
        .one_x(n_one_x),
        .one_phase(n_one_phase),
        .one_row(n_one_row),
        .step(step),
        .i2(i2),
        .step_x(step_x),
        .step_phase(step_phase),
        .step_row(step_row),
        .done(done),
        .done_next(done_next)
    );

    assign retire_c = step && done;
    assign retire = (after_q & {3{retire_c || !current_q}}) + {2'd0, retire_c};
    assign front_done = retire_c && (c_xnor_q || c_att_q);
    assign full = full_q;

    // what the streams do one cycle later, a copy for each: {move, step of stream_addr}
    wire [2:0]  go = {pop || (step && !done),
        pop ? 2'd0 : step_x ? 2'd1 : step_phase ? 2'd2 : 2'd3};
    wire [2:0]  pre_go, mid_go, out_go, dst_go, bit_go, cm_go;

    register_copy #(.WIDTH(3)) u_pre_go (.clk(clk), .d(go), .q(pre_go));
    register_copy #(.WIDTH(3)) u_mid_go (.clk(clk), .d(go), .q(mid_go));
    register_copy #(.WIDTH(3)) u_out_go (.clk(clk), .d(go), .q(out_go));
    register_copy #(.WIDTH(3)) u_dst_go (.clk(clk), .d(go), .q(dst_go));
    register_copy #(.WIDTH(3)) u_bit_go (.clk(clk), .d(go), .q(bit_go));
    register_copy #(.WIDTH(3)) u_cm_go (.clk(clk), .d(go), .q(cm_go));

    // ---- the current instruction
    reg         c_macs_q, c_apply_q;
    reg  [7:0]  c_cm_mask_q, c_cm_x_q, c_cm_x_wrap_q, c_cm_1_q, c_cm_1_wrap_q;
    reg  [7:0]  c_cm_base_q, c_om_base_q;
    reg  [5:0]  c_q_base_q, c_q_mask_q;
    reg  [2:0]  c_xm_q;             // xd & cm_mask
    reg  [56:0] c_pre_q, c_mid_q, c_out_q, c_dst_q;  // without en
    reg  [63:0] c_bit_q;
    reg  [4:0]  c_en_q;             // {pre, mid, out, dst, bit}
    reg  [7:0]  c_dst_mask_q;
    reg  [20:0] c_modes_q;
    reg  [1:0]  c_pool_q;
    reg  [7:0]  groups;

    always @* begin
        case (n_pool[1:0])
            2'd0: groups = 8'hff;
            2'd1: groups = 8'h0f << {n_pool[2], 2'b00};
            2'd2: groups = 8'h03 << {n_pool[3:2], 1'b0};
            default: groups = 8'h01 << n_pool[4:2];
        endcase
    end

    always @(posedge clk) begin
        if (pop_c) begin
            c_xnor_q <= n_xnor;
            c_att_q <= n_att;
            c_macs_q <= n_macs;
            c_apply_q <= n_apply;
            c_cm_base_q <= n_cm_base & {8{n_xnor || n_att}};
            c_cm_mask_q <= n_cm_mask;
            c_cm_x_q <= n_cm_x;
            c_cm_x_wrap_q <= n_cm_x - n_cm_wrap;
            c_cm_1_q <= n_cm_1;
            c_cm_1_wrap_q <= n_cm_1 - n_cm_wrap;
            c_xm_q <= n_xd & n_cm_mask[2:0];
            c_om_base_q <= n_om_base;
            c_q_base_q <= n_q_base;
            c_q_mask_q <= n_q_mask;
            c_pre_q <= n_pre[57:1];
            c_mid_q <= n_mid[57:1];
            c_out_q <= n_out[57:1];
            c_dst_q <= n_dst[57:1];
            c_bit_q <= n_bit[64:1];
            c_en_q <= {n_pre[0], n_mid[0], n_out[0], n_dst[0], n_bit[0]} & {5{!n_stat}};
            c_dst_mask_q <= groups;
            c_modes_q <= n_modes;
            c_pool_q <= n_pool[1:0];
        end
    end

    // with r_*
    reg  [3:0]  d_kind_q;
    reg  [3:0]  d_mem_q;
    reg  [4:0]  d_en_q;
    reg  [7:0]  d_om_base_q, d_dst_mask_q;
    reg  [20:0] d_modes_q;
    reg  [1:0]  d_pool_q;
    reg  [5:0]  r_q_q;

    always @(posedge clk) begin
        d_kind_q <= {c_xnor_q, c_att_q, c_macs_q, c_apply_q};
        d_mem_q <= {c_pre_q[0], c_mid_q[0], c_out_q[0], c_dst_q[0]};
        d_en_q <= c_en_q;
        d_om_base_q <= c_om_base_q;
        d_dst_mask_q <= c_dst_mask_q;
        d_modes_q <= c_modes_q;
        d_pool_q <= c_pool_q;
        r_q_q <= c_q_base_q + (i2[5:0] & c_q_mask_q);
    end

    // XNOR, ATT: cm_base + (i2 & cm_mask) cm_s2; MAC ops: without cm_base. v moves on with the
    // order and tells by how much cm grows with the streams, one cycle later. The bits above the
    // mask are ones, so that a carry out of all eight is one out of the masked ones.
    reg  [7:0] v_q, v_phase_q;      // i2 & cm_mask
    reg  [7:0] grow_x_q, grow_1_q;
    reg  [7:0] cm_q, cm_phase_q;
    wire [8:0] v_x = {1'b0, v_q | ~c_cm_mask_q} + {6'd0, c_xm_q};
    wire [8:0] v_1 = {1'b0, v_phase_q | ~c_cm_mask_q} + {8'd0, c_cm_mask_q[0]};
    wire [7:0] cm_x = cm_q + grow_x_q;
    wire [7:0] cm_1 = cm_phase_q + grow_1_q;
    wire [7:0] cm_to = cm_go[1:0] == 2'd1 ? cm_x : cm_go[1:0] == 2'd2 ? cm_1 : c_cm_base_q;

    always @(posedge clk) begin
        grow_x_q <= v_x[8] ? c_cm_x_wrap_q : c_cm_x_q;
        grow_1_q <= v_1[8] ? c_cm_1_wrap_q : c_cm_1_q;
        if (pop || (step && step_row)) begin
            v_q <= 8'd0;
            v_phase_q <= 8'd0;
        end else if (step && step_phase) begin
            v_q <= v_1[7:0] & c_cm_mask_q;
            v_phase_q <= v_1[7:0] & c_cm_mask_q;
        end else if (step) begin
            v_q <= v_x[7:0] & c_cm_mask_q;
        end
        if (cm_go[2]) begin
            cm_q <= cm_to;
            if (cm_go[1:0] != 2'd1) cm_phase_q <= cm_to;
        end
    end

    // ---- streams
    stream_addr #(.WIDTH(14)) u_pre (
        .clk(clk), .base(c_pre_q[14:1]), .s2(c_pre_q[28:15]), .s3(c_pre_q[42:29]),
        .x2(c_pre_q[56:43]), .move(pre_go[2]), .step(pre_go[1:0]),
        .addr(r_pre[13:0])
    );
    stream_addr #(.WIDTH(14)) u_mid (
        .clk(clk), .base(c_mid_q[14:1]), .s2(c_mid_q[28:15]), .s3(c_mid_q[42:29]),
        .x2(c_mid_q[56:43]), .move(mid_go[2]), .step(mid_go[1:0]),
        .addr(r_mid[13:0])
    );
    stream_addr #(.WIDTH(14)) u_out (
        .clk(clk), .base(c_out_q[14:1]), .s2(c_out_q[28:15]), .s3(c_out_q[42:29]),
        .x2(c_out_q[56:43]), .move(out_go[2]), .step(out_go[1:0]),
        .addr(r_out[13:0])
    );
    stream_addr #(.WIDTH(14)) u_dst (
        .clk(clk), .base(c_dst_q[14:1]), .s2(c_dst_q[28:15]), .s3(c_dst_q[42:29]),
        .x2(c_dst_q[56:43]), .move(dst_go[2]), .step(dst_go[1:0]),
        .addr(r_dst[13:0])
    );
    stream_addr #(.WIDTH(16)) u_bit (
        .clk(clk), .base(c_bit_q[15:0]), .s2(c_bit_q[31:16]), .s3(c_bit_q[47:32]),
        .x2(c_bit_q[63:48]), .move(bit_go[2]), .step(bit_go[1:0]),
        .addr(r_bit)
    );

    assign {r_xnor, r_att, r_macs, r_apply} = d_kind_q;
    assign {r_pre[14], r_mid[14], r_out[14], r_dst[14]} = d_mem_q;
    assign {r_pre_en, r_mid_en, r_out_en, r_dst_en, r_bit_en} = d_en_q;
    assign r_cm = cm_q;
    assign r_om_base = d_om_base_q;
    assign r_q = r_q_q;
    assign r_modes = d_modes_q;
    assign r_pool = d_pool_q;
    assign r_dst_mask = d_dst_mask_q;

    wire unused = &{1'b0, i2[11:6], done_next};
endmodule
`default_nettype wire
