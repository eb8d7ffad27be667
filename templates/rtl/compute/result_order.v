// result_order: counters of nest levels 2 and 3, i2 in the order 0, xd, 2 xd, .. ; 1, 1 + xd, ..
//
// `load` takes n2, n3 (>= 1), xd (1..7), what phase_count makes of them and whether n3 is 1
// (one_row), and starts at i2 = i3 = 0; `step` moves to the next result. Of step_x, step_phase,
// step_row, done exactly one is high: what the next step does (done: this is the last result; it
// means nothing behind the last step). Latency 1 cycle, one step per cycle. Reset: none.
// Every sum starts at registers and is selected behind the adder: one carry chain and two LUTs.
// Cost: five adders of 12 or 13 bits, about 90 flip-flops.
`default_nettype none
module result_order (
    input  wire        clk,
    input  wire        load,
    input  wire [11:0] n2,
    input  wire [11:0] n3,
    input  wire [2:0]  xd,
    input  wire [2:0]  last_phase,
    input  wire        one_x,
    input  wire        one_phase,
    input  wire        one_row,
    input  wire        step,
    output wire [11:0] i2,
    output wire        step_x,
    output wire        step_phase,
    output wire        step_row,
    output wire        done,
    output wire        done_next    // done after a step
);
    // of the nest, and what holds at the begin of every row
    reg  [11:0] last_i2_q;      // n2 - 1
    reg  [11:0] before_i2_q;    // n2 - 2
    reg  [2:0]  xd_q;
    reg  [2:0]  last_phase_q;
    reg         one_x_q;        // x_end, phase_end of the first result
    reg         one_phase_q;

    reg  [11:0] i2_q;
    reg  [11:0] room_q;         // n2 - 1 - i2
    reg  [11:0] phase_room_q;   // .. of the first i2 of the next phase
    reg  [2:0]  phase_q;
    reg  [11:0] rows_q;         // rows after this one
    reg         x_end_q;        // room < xd: last of its phase
    reg         phase_end_q;    // last phase of the row
    reg         near_end_q;     // the one before
    reg         row_end_q;      // last row
    reg         done_q;         // all three

    // what holds after the step
    wire [11:0] room_x = room_q - {9'd0, xd_q};
    wire [12:0] over_x = {1'b0, room_q} - {9'd0, xd_q, 1'b0};
    wire [12:0] over_phase = {1'b0, phase_room_q} - {10'd0, xd_q};
    wire [2:0]  next_phase = phase_q + 3'd1;
    wire [2:0]  phase_2 = {phase_q[2] ^ phase_q[1], ~phase_q[1], phase_q[0]};  // phase + 2

    assign step_x = !x_end_q;
    assign step_phase = x_end_q && !phase_end_q;
    assign step_row = x_end_q && phase_end_q && !row_end_q;
    assign done = done_q;
    assign i2 = i2_q;
    assign done_next = step_x ? over_x[12] && phase_end_q && row_end_q
        : step_phase ? over_phase[12] && near_end_q && row_end_q
        : one_x_q && one_phase_q && rows_q == 12'd1;

    always @(posedge clk) begin
        if (load) done_q <= one_x && one_phase && one_row;
        else if (step) done_q <= done_next;
        if (load) begin
            last_i2_q <= n2 - 12'd1;
            before_i2_q <= n2 - 12'd2;
            xd_q <= xd;
            last_phase_q <= last_phase;
            one_x_q <= one_x;
            one_phase_q <= one_phase;
            rows_q <= n3 - 12'd1;
            row_end_q <= one_row;
        end else if (step && step_row) begin
            rows_q <= rows_q - 12'd1;
            row_end_q <= rows_q == 12'd1;
        end
        if (load) begin
            i2_q <= 12'd0;
            phase_q <= 3'd0;
            room_q <= n2 - 12'd1;
            phase_room_q <= n2 - 12'd2;
            x_end_q <= one_x;
            phase_end_q <= one_phase;
            near_end_q <= last_phase == 3'd1;
        end else if (step) begin
            if (step_x) begin
                i2_q <= i2_q + {9'd0, xd_q};
                room_q <= room_x;
                x_end_q <= over_x[12];
            end else if (step_phase) begin
                i2_q <= {9'd0, next_phase};
                phase_q <= next_phase;
                room_q <= phase_room_q;
                phase_room_q <= phase_room_q - 12'd1;
                x_end_q <= over_phase[12];
                phase_end_q <= near_end_q;
                near_end_q <= phase_2 == last_phase_q;
            end else begin
                i2_q <= 12'd0;
                phase_q <= 3'd0;
                room_q <= last_i2_q;
                phase_room_q <= before_i2_q;
                x_end_q <= one_x_q;
                phase_end_q <= one_phase_q;
                near_end_q <= last_phase_q == 3'd1;
            end
        end
    end

    wire unused = &{1'b0, over_x[11:0], over_phase[11:0]};
endmodule
`default_nettype wire
