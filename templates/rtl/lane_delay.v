// lane_delay: q(n) = d(n - STAGES), a plain delay line without reset.
// Latency STAGES >= 1 cycles, one beat per cycle. Cost: maps to SRL16/32, one LUT per bit and 16
// or 32 stages. Not for control that has to be empty after reset.
module lane_delay #(
    parameter WIDTH  = 1,
    parameter STAGES = 2
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] q
);
    generate
        if (STAGES < 1) begin : gen_guard
            ERROR_lane_delay_STAGES_must_be_at_least_1 u_stop ();
        end
        if (STAGES == 1) begin : gen_one
            reg [WIDTH-1:0] d_q;
            always @(posedge clk) d_q <= d;
            assign q = d_q;
        end else begin : gen_line
            reg [WIDTH*STAGES-1:0] d_q;
            always @(posedge clk) d_q <= {d_q[WIDTH*(STAGES-1)-1:0], d};
            assign q = d_q[WIDTH*(STAGES-1) +: WIDTH];
        end
    endgenerate
endmodule
