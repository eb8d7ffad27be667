// delay_ram: a delay line of many bits in LUT RAM.
//
// q in cycle t + DEPTH = d of cycle t, for cycles t behind rst.
// Pointers that run round: words are written DEPTH - 1 places ahead of where they are read. Copies
// of the pointers for every PART bits.
// Reset: the pointers. Cost (Yosys, xc7): WIDTH flip-flops and, where PART is a multiple of 6,
// 2/3 WIDTH LUTs; a shift register takes WIDTH. Not for a few bits (delay_line.v).
`default_nettype none
module delay_ram #(
    parameter WIDTH = 144,  // a multiple of PART
    parameter PART  = 144,
    parameter DEPTH = 9     // 2 .. 32
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] q
);
    localparam [5:0] AHEAD = DEPTH - 1;

    generate
        if (WIDTH % PART != 0) begin : gen_guard_part
            ERROR_delay_ram_WIDTH_must_be_a_multiple_of_PART u_stop ();
        end
        if (DEPTH < 2 || DEPTH > 32) begin : gen_guard_depth
            ERROR_delay_ram_DEPTH_must_be_2_to_32 u_stop ();
        end
    endgenerate

    reg [4:0] write_q;  // of the next cycle
    reg [4:0] read_q;

    always @(posedge clk) begin
        write_q <= write_q + 5'd1;
        read_q <= read_q + 5'd1;
        if (rst) begin
            write_q <= AHEAD[4:0];
            read_q <= 5'd0;
        end
    end

    wire unused = AHEAD[5];

    genvar p;
    generate
        for (p = 0; p < WIDTH / PART; p = p + 1) begin : gen_part
            wire [4:0] write, read;
            (* ram_style = "distributed" *)
            reg [PART-1:0] mem [0:31];
            reg [PART-1:0] word_q;

            register_copy #(.WIDTH(10)) u_at (
                .clk(clk), .d({write_q, read_q}), .q({write, read})
            );
            always @(posedge clk) begin
                mem[write] <= d[p*PART +: PART];
                word_q <= mem[read];
            end

            assign q[p*PART +: PART] = word_q;
        end
    endgenerate
endmodule
`default_nettype wire
